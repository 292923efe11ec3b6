"""Each sentence with which a config is refused; most of them stand in data/refused_configs."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fullrank.config import Config, load
from fullrank.errors import ConfigError

Study = Callable[[str], Config]

WORKLOAD = '[workload]\nfunction = "sim.py:simulate"\n'
GRID = WORKLOAD + "[sweep.grid]\n"
MINIMAL = GRID + "r = [1, 2]\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies")
    (folder / "code").mkdir()
    for name in ("sim.py", "code/sim.py", "potential.npy"):
        (folder / name).write_bytes(b"")
    (folder / "points.csv").write_text("r,x\n1,0.5\n2,1.5\n")
    (folder / "bad.csv").write_text("r,x\n1,0.5\n2\n")
    return folder


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    """``study(text)``: what ``load`` makes of a file ``study.toml`` with that text."""

    def study(text: str) -> Config:
        path = folder / "study.toml"
        path.write_bytes(text.encode())
        return load(path)

    return study


def refusal(study: Study, text: str) -> str:
    """What follows the file's name in the sentence that refuses ``text``."""
    with pytest.raises(ConfigError) as caught:
        study(text)
    file, _, sentence = str(caught.value).partition("study.toml: ")
    assert sentence, f"no config's name in {file!r}"
    return sentence


def cases(name: str) -> list[object]:
    """Parts of a config and of the sentence it is refused with, from data/refused_configs.

    A block is lines of TOML, then the sentence, indented; … stands for any words.
    """
    path = Path(__file__).parent / "data" / "refused_configs" / f"{name}.txt"
    found: list[object] = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        lines = block.strip("\n").split("\n")
        toml = [line for line in lines if not line.startswith("    ")]
        words = [line.strip() for line in lines if line.startswith("    ")]
        assert toml and words, block
        found.append(pytest.param("\n".join(toml), " ".join(words), id=toml[-1]))
    return found


def assert_parts(words: str, sentence: str) -> None:
    assert [part for part in words.split(" … ") if part not in sentence] == [], sentence


@pytest.mark.parametrize(("sweep", "words"), cases("sweep"))
def test_bad_sweep_is_refused(study: Study, sweep: str, words: str) -> None:
    assert_parts(words, refusal(study, f"{WORKLOAD}{sweep}\n"))


@pytest.mark.parametrize(("axis", "words"), cases("axis"))
def test_bad_axis_is_refused(study: Study, axis: str, words: str) -> None:
    assert_parts(words, refusal(study, f"{GRID}{axis}\n"))


@pytest.mark.parametrize(("key", "words"), cases("key"))
def test_bad_key_is_refused(study: Study, key: str, words: str) -> None:
    text = f"{MINIMAL}{key}\n" if key.startswith("[") else f"{key}\n{MINIMAL}"
    assert_parts(words, refusal(study, text))


@pytest.mark.parametrize(("lines", "words"), cases("workload"))
def test_bad_workload_is_refused(study: Study, lines: str, words: str) -> None:
    assert_parts(words, refusal(study, f"{WORKLOAD}{lines}\n[sweep.grid]\nr = [1, 2]\n"))


def test_missing_tables_are_named(study: Study) -> None:
    assert refusal(study, "") == "workload: missing, expected a table"
    assert refusal(study, WORKLOAD) == "sweep: missing, expected a table"


def test_numbers_no_machine_word_holds_are_not_printed(study: Study) -> None:
    axis = f"r = {{ start = 0x{'f' * 300}, stop = 1, num = 3 }}\n"
    assert refusal(study, GRID + axis) == ("sweep.grid.r.start: expected a number, got an integer of 1200 bits")
    constant = f"[workload.constants]\na = 0x{'f' * 1025}\n"
    assert refusal(study, MINIMAL + constant) == ("workload.constants.a: expected an integer of at most 4096 bits")


def test_tables_in_tables_in_tables_are_refused(study: Study) -> None:
    constant = f"[workload.constants]\n{'a.' * 5000}a = 1\n"
    assert refusal(study, MINIMAL + constant) == ("expected at most 64 tables or lists in one another")


STEPS = {
    "start = 2.5, stop = 4, step = 0.25": "write { start = 2.5, stop = 4, num = 7 } for floats",
    "start = 0, stop = 0.3, step = 0.1": "write { start = 0, stop = 0.3, num = 4 } for floats",
    "start = 0, stop = 1, step = 0.3": "write { start = 0, stop = 0.9, num = 4 } for floats",
    "start = 10, stop = 0, step = -2": "{ range = [10, 0, -2] } as in Python (stop is left out)",
    "start = 0, stop = 1, num = 3, step = 0": "write { start, stop, num } for floats",
    "start = 0, step = 0.3": "write { start, stop, num } for floats",
    "start = 'a', stop = 1, step = 1": "write { start, stop, num } for floats",
    "start = -1e308, stop = 1e308, step = 1e-9": "write { start, stop, num } for floats",
    f"start = 0x{'f' * 300}, stop = 1, step = 1": "write { start, stop, num } for floats",
}


@pytest.mark.parametrize(("axis", "words"), STEPS.items(), ids=STEPS)
def test_step_is_refused_with_what_to_write_instead(study: Study, axis: str, words: str) -> None:
    sentence = refusal(study, f"{GRID}r = {{ {axis} }}\n")
    assert sentence.startswith("sweep.grid.r.step: an axis has no step; write ")
    assert words in sentence


def test_number_of_values_offered_for_a_step_is_right(study: Study) -> None:
    sentence = refusal(study, f"{GRID}r = {{ start = 2.5, stop = 4, step = 0.25 }}\n")
    offered = sentence[sentence.index("{") : sentence.index("}") + 1]
    (axis,) = study(f"{GRID}r = {offered}\n").sweep.axes
    assert axis.column(range(len(axis))) == [2.5, 2.75, 3.0, 3.25, 3.5, 3.75, 4.0]


FUNCTIONS = {
    "sim.simulate": 'got text "sim.simulate"; did you mean "sim:simulate"?',
    "sim.py": 'expected module:function or path/to/file.py:function, got text "sim.py"',
    "sim.py:": "expected module:function",
    ":simulate": "expected module:function",
    "": "expected module:function or path/to/file.py:function, got empty text",
    "my sim:f": "expected module:function",
    "sim.py:f()": "expected module:function",
    "smi.py:simulate": "/smi.py; did you mean 'sim.py'?",
    "src/sim.py:simulate": "there is no folder ",
    "code.py:simulate": "there is no file ",
}  # fmt: skip


@pytest.mark.parametrize("key", ["function", "setup"])
@pytest.mark.parametrize(("written", "words"), FUNCTIONS.items(), ids=FUNCTIONS)
def test_function_that_cannot_be_is_refused(study: Study, key: str, written: str, words: str) -> None:
    other = "" if key == "function" else 'function = "sim.py:simulate"\n'
    text = f'[workload]\n{other}{key} = "{written}"\n[sweep.grid]\nr = [1]\n'
    sentence = refusal(study, text)
    assert sentence.startswith(f"workload.{key}: ")
    assert words in sentence


def test_axis_named_seed_goes_with_no_run_seed(study: Study) -> None:
    assert study(GRID + "seed = { range = 3 }\n").sweep.n_items == 3
    text = GRID.replace("[sweep", "seed = 1\n[sweep") + "seed = { range = 3 }\n"
    assert "workload.seed: expected one source of `seed`" in refusal(study, text)


def test_missing_function_is_named(study: Study) -> None:
    assert refusal(study, "[workload]\n[sweep.grid]\nr = [1]\n").startswith("workload.function: missing, expected text")


INLINE = {
    GRID + "r = {\n  start = 0,\n  stop = 1,\n  num = 3,\n}\n": ("line 4", "sweep.grid.r"),
    GRID + "r = { start = 0,\n  stop = 1, num = 3 }\n": ("line 4", "sweep.grid.r"),
    GRID + "r = { start = 0, # from\n  stop = 1, num = 3 }\n": ("line 4", "sweep.grid.r"),
    GRID + "r = { start = 0, stop = 1\n, num = 3 }\n": ("line 4", "sweep.grid.r"),
    GRID + 'r = { long_name = "{", start = 0,\r\n stop = 1 }': ("line 4", "sweep.grid.r"),
    GRID + "# {\nr = { range = [1, # }\n2],\nunits = 's' }\n": ("line 6", "sweep.grid.r"),
    "run = {\n}\n": ("line 1", "run"),
}


@pytest.mark.parametrize(("text", "place"), INLINE.items(), ids=range(len(INLINE)))
def test_inline_table_over_several_lines_gets_the_cure(study: Study, text: str, place: tuple[str, str]) -> None:
    line, table = place
    assert refusal(study, text) == (
        f"{line}: an inline table {{ … }} has to stand on one line; put it on one, or write a "
        f"table of its own, [{table}], with one key = value on each line"
    )


SYNTAX = {
    "function = sim.py:f": ("line 1, column 12", 'text stands in quotes: "…"'),
    "on = True": ("line 1, column 6", "true and false are lower case"),
    "a = 1\n\na = 2\n": ("line 3", "this key or table stands twice"),
    "[sweep]\n[sweep]\n": ("line 2", "this table stands twice"),
    "function\n": ("line 1", "expected [table] or key = value"),
    "a = 1 b = 2": ("line 1", "one key = value on each line"),
    "a = [1 2]": ("line 1", "expected , or ] after each value"),
    "a = { b = 1 c = 2 }": ("line 1", "expected , or } after each value"),
    "a = { b = 1, }": ("line 1", "no comma before the }"),
    "a = 'x": ("line 1", "not closed"),
    '\na = "C:\\Users"': ("line 2", "write folders with / instead of \\"),
    "[sweep\n": ("line 1", "closed with ]"),
    "a = " + "[" * 5000: ("nested too deeply", ""),
    "a = " + "9" * 5000: ("fewer than 4300 digits", ""),
}


@pytest.mark.parametrize(("text", "words"), SYNTAX.items(), ids=range(len(SYNTAX)))
def test_syntax_error_names_line_and_cure(study: Study, text: str, words: tuple[str, str]) -> None:
    where, cure = words
    sentence = refusal(study, text)
    assert where in sentence and cure in sentence


def test_table_with_an_error_is_named_with_its_line(study: Study, folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        study(WORKLOAD + '[sweep.table]\npath = "bad.csv"\n')
    assert str(caught.value).startswith(f"{folder / 'bad.csv'}: line 3: expected 2 cells")


def test_missing_config_gets_the_nearest_one(study: Study, folder: Path) -> None:
    study(MINIMAL)
    with pytest.raises(ConfigError, match=r"stduy\.toml; did you mean 'study\.toml'\?"):
        load(folder / "stduy.toml")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (".", "expected a file, got the folder .*; it holds study.toml"),
        ("nowhere/study.toml", "there is no folder .*nowhere$"),
        ("x" * 300, "there is no file "),
    ],
)
def test_path_that_is_no_file_is_refused(study: Study, folder: Path, name: str, words: str) -> None:
    study(MINIMAL)
    with pytest.raises(ConfigError, match=words):
        load(folder / name)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"title = 'a'\n# caf\xe9\n", "line 2: expected UTF-8 text, got the byte 0xe9"),
        (MINIMAL.encode("utf-16"), "line 1: expected UTF-8 text, got the byte 0xff"),
    ],
)
def test_other_encoding_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"{words}; save the file as UTF-8"):
        load(path)


def test_error_starts_with_the_file_as_it_was_given(
    study: Study, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "bad.toml").write_text(GRID + "r = { start = 0, stop = 1, num = 0 }\n")
    with pytest.raises(ConfigError) as caught:
        load(Path("bad.toml"))
    assert str(caught.value) == "bad.toml: sweep.grid.r.num: expected an integer >= 1, got 0"
