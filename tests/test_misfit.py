"""What a config says of results, against what the function returned: the sentence, and the file that has the data."""

import pytest
from studies import Project

pytestmark = pytest.mark.in_process

LIST = "def f(x):\n    return [x / 7, x / 9]\n"
TWO = "def f(x):\n    return {'p': [x, 1], 'q': [x, 2, 3]}\n"
COMPLEX = "def f(x):\n    return [x + 1j]\n"
CASES = [
    (LIST, '[results.nothere]\nunits = "m"', "results.nothere is none, what the function returned is f"),
    (LIST, '[results]\nnames = ["a", "b"]', "results.names is for the elements of a tuple, but what the function"),
    ("def f(x):\n    return x / 7\n", '[results]\nnames = ["a", "b"]', "results.names is for the elements of a tuple"),
    (LIST, '[results.f]\ndims = ["q", "r"]', "results.f.dims has 2 names, but f 1 dimension"),
    ("def f(x):\n    return x / 7\n", '[results.f]\ndims = ["q"]', "results.f.dims has 1 name, but f no dimension"),
    (COMPLEX, '[results.f]\ndims = ["q", "r"]', "results.f.dims has 2 names, but f 1 dimension"),
    (
        TWO,
        '[results.p]\ndims = ["k"]\n[results.q]\ndims = ["k"]',
        "results.q.dims: 'k' is taken, or has another length",
    ),
    (TWO, '[results.p]\ndims = ["q"]', "results.p.dims: 'q' is taken, or has another length"),
    (TWO, '[results.q_length]\nunits = "m"', "results.q_length is none, what the function returned is p, q"),
]
FITTING = [
    (LIST, '[results.f]\nunits = "m"\ndims = ["q"]'),
    (COMPLEX, '[results.f]\ndims = ["q"]'),
    (COMPLEX, '[results.f_re]\nunits = "m"'),
    ("def f(x):\n    return x, x\n", '[results]\nnames = ["a", "b"]\n[results.b]\nunits = "m"'),
    ("def f(x):\n    return x\n", "[results.f]\ndims = []"),
    ("def f(x):\n    return {'p': [x, 1], 'q': [x, 2]}\n", '[results.p]\ndims = ["k"]\n[results.q]\ndims = ["k"]'),
    ("def f(x):\n    return {'p': [x, 1]}\n", ""),
]


@pytest.mark.parametrize(("code", "tail", "sentence"), CASES, ids=[case[2] for case in CASES])
def test_what_fits_no_result_is_told_once_and_the_file_has_the_data(
    project: Project, code: str, tail: str, sentence: str
) -> None:
    told = project.write(code, tail=tail).run("-b", "serial").stderr
    assert told.count(sentence) == 1
    assert told.count("what does not fit the results is not in the file") == 1
    assert project.read("status").tolist() == [1] * 12


@pytest.mark.parametrize(("code", "tail"), FITTING, ids=str)
def test_nothing_is_said_of_what_fits(project: Project, code: str, tail: str) -> None:
    assert "does not fit" not in project.write(code, tail=tail).run("-b", "serial").stderr


def test_it_is_told_of_a_sample_before_the_whole_study_is_run(project: Project) -> None:
    told = project.write(LIST, tail='[results.g]\nunits = "m"').run("-b", "serial", "--limit", 2).stderr
    assert "results.g is none" in told


def test_nothing_is_said_where_no_item_has_a_result(project: Project) -> None:
    code = "def f(x):\n    raise ValueError\n"
    told = project.write(code, tail='[results.g]\nunits = "m"').run("-b", "serial", expect=3).stderr
    assert "does not fit" not in told
