from array import array
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullrank.axes import Value
from fullrank.errors import ConfigError
from fullrank.tables import read_table

Write = Callable[[str, str | bytes], Path]


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    folder = tmp_path_factory.mktemp("tables")

    def write(name: str, content: str | bytes) -> Path:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def columns(path: Path) -> dict[str, list[Value]]:
    return {axis.name: axis.column(range(len(axis))) for axis in read_table(path)}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("points.csv", "r,x,s\n1,0.5,a b\n-2,3,c\n"),
        ("points.csv", "r ;x;s\n1;0.5 ;a b \n-2;3;c"),
        ("points.csv", "r\tx\ts\n1\t0.5\ta b\n-2\t3\tc\n"),
        ("points.tsv", "r\tx\ts\n1\t0.5\ta b\n-2\t3\tc\n"),
        ("POINTS.CSV", "r,x,s\n1,0.5,a b\n-2,3,c\n"),
        ("points.csv", "\ufeffr,x,s\r\n1,0.5,a b\r\n-2,3,c\r\n"),
        ("points.csv", "\n\nr, x, s\n\n1, 0.5, a b\n  \n-2, 3, c\n\n"),
        ("points.csv", '"r","x","s"\n"1","0.5","a b"\n"-2","3","c"\n'),
        ("points.csv", "# r,x,s\n1,0.5,a b\n-2,3,c\n"),
        ("points.jsonl", '{"r": 1, "x": 0.5, "s": "a b"}\n{"x": 3, "s": "c", "r": -2}\n'),
        ("points.ndjson", '\ufeff{"r":1,"x":0.5,"s":"a b"}\r\n\r\n{"r":-2,"x":3,"s":"c"}'),
    ],
)
def test_one_table_in_many_dialects(write: Write, name: str, content: str) -> None:
    found = columns(write(name, content))
    assert found == {"r": [1, -2], "x": [0.5, 3.0], "s": ["a b", "c"]}
    assert list(found) == ["r", "x", "s"]
    assert [type(column[1]) for column in found.values()] == [int, float, str]


@pytest.mark.parametrize("suffix", ["dat", "txt"])
@pytest.mark.parametrize(
    "content",
    [
        "# r x\n1 0.5\n2 3\n",
        "#r x\r\n  1\t0.5\r\n\r\n  2\t3  # the last\r\n",
        "# made by a program\n#\n#   r     x\n1 0.5\n# half-way\n2 3\n",
    ],
)
def test_spaced_table_is_named_by_the_last_comment_before_the_rows(write: Write, suffix: str, content: str) -> None:
    assert columns(write(f"points.{suffix}", content)) == {"r": [1, 2], "x": [0.5, 3.0]}


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "+2", "-03"], [1, 2, -3]),
        (["1", "2.0"], [1.0, 2.0]),
        (["1", "1e3", "-.5", "inf", "-Infinity"], [1.0, 1000.0, -0.5, float("inf"), -float("inf")]),
        (["1", "x", "2.5"], ["1", "x", "2.5"]),
        (["007", "x"], ["007", "x"]),
        (["2024_01", "2024_02"], ["2024_01", "2024_02"]),
        (["1_0.5", "2"], ["1_0.5", "2"]),
        (["٣", "٤"], ["٣", "٤"]),
        (["0x10", "true"], ["0x10", "true"]),
        (["99999999999999999999", "0.5"], [1e20, 0.5]),
        (["-9223372036854775808", "9223372036854775807"], [-(2**63), 2**63 - 1]),
    ],
)
def test_column_is_of_integers_else_floats_else_text(write: Write, cells: list[str], values: list[Value]) -> None:
    found = columns(write("points.csv", "a\n" + "\n".join(cells)))["a"]
    assert found == values
    assert list(map(type, found)) == list(map(type, values))


def test_nan_is_a_float(write: Write) -> None:
    (value,) = columns(write("points.csv", "a\nnan\n"))["a"]
    assert isinstance(value, float) and value != value


def test_quoted_cells_hold_delimiters_quotes_and_line_ends(write: Write) -> None:
    path = write("points.csv", 'a,b\n"x, ""y""",1\n"two\nlines",2\n')
    assert columns(path) == {"a": ['x, "y"', "two\nlines"], "b": [1, 2]}


def test_json_lines_keep_true_and_false_and_empty_text(write: Write) -> None:
    path = write("points.jsonl", '{"a": true, "b": ""}\n{"a": false, "b": "x"}\n')
    assert columns(path) == {"a": [True, False], "b": ["", "x"]}


def test_numbers_are_kept_in_eight_bytes_each(write: Write) -> None:
    n, x = read_table(write("points.csv", "n,x\n1,0.5\n2,1.5\n"))
    assert (n.values, x.values) == (array("q", [1, 2]), array("d", [0.5, 1.5]))


@settings(deadline=None)
@given(values=st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
def test_floats_are_read_to_the_last_bit(write: Write, values: list[float]) -> None:
    found = columns(write("points.csv", "x\n" + "".join(f"{v!r}\n" for v in values)))["x"]
    assert array("d", found).tobytes() == array("d", values).tobytes()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("p.csv", "r,x\n1,2\n\n3\n", "line 4: expected 2 cells, one for each of r, x, got 1"),
        ("p.csv", "r,x\n1,2,3\n", "line 2: expected 2 cells, one for each of r, x, got 3"),
        ("p.csv", 'r,x\n"a\nb",1\n2\n', "line 4: expected 2 cells"),
        ("p.csv", "r,x\n1,2\n3,\n", "line 3, column 'x': expected a value, got nothing"),
        ("p.csv", "r,x\n1,2\n,\n", "line 3, column 'r': expected a value, got nothing"),
        ("p.csv", "r,r\n1,2\n", "line 1, which names the columns: two columns are named 'r'"),
        ("p.csv", "\nr,\n1,2\n", "line 2, which names the columns: column 2 of 2 has no name"),
        ("p.csv", "1.5,2\n3,4\n", "line 1, which names the columns: expected a name of letters"),
        ("p.csv", "r,status\n1,2\n", "the result file uses 'status' itself"),
        ("p.csv", "", "expected the names of the columns, then one row for each item"),
        ("p.csv", "\n \n", "expected the names of the columns, then one row for each item"),
        ("p.csv", "r,x\n", "line 1: expected rows below the names of the columns, got none"),
        ("p.csv", "r;x\n1;0,5\n", "line 2, column 'x': expected a number with a decimal point"),
        ("p.csv", "r\n1\n9223372036854775808\n", "line 3, column 'r': expected an integer of at"),
        ("p.csv", "r\n" + "9" * 5000, "line 2, column 'r': expected an integer of at most 64 bits"),
        ("p.csv", "r\n1e400\n1\n", "line 2, column 'r': expected a number of 64 bits, got 1e400"),
        ("p.csv", 'r,x\n1,"a\n2,b\n', "line 2: unexpected end of data; is a quote closed"),
        ("p.csv", 'r,x\n1,2\n1,"a"b\n', "line 3: ',' expected after '\"'; is a quote closed"),
        ("p.csv", "r,x\n1," + '"' + "a" * 200_000, "line 2: field larger than field limit"),
        ("p.csv", b"r,x\n1,2\n1,\xe9\n", "line 3: expected UTF-8 text, got the byte 0xe9"),
        ("p.csv", "r\x00\n1\n", "line 1"),
        ("p.csv", "r\na\x00b\n", "column 'r': expected text that HDF5 can hold"),
        ("p.dat", "1 2\n", "line 1: expected the names of the columns first, # x y"),
        ("p.dat", "# r x\n\n1 2\n1 2 3\n", "line 4: expected 2 cells"),
        ("p.txt", "", "expected the names of the columns"),
        ("p.txt", "# r x\n", "line 1: expected rows below the names of the columns, got none"),
        ("p.jsonl", '{"r": 1}\n{"s": 1}\n', "line 2: unknown column 's'"),
        ("p.jsonl", '{"rate": 1}\n{"rate": 1, "rats": 2}\n', "'rats'; did you mean 'rate'?"),
        ("p.jsonl", '{"r": 1, "s": 1}\n\n{"r": 1}\n', "line 3, column 's': expected a value"),
        ("p.jsonl", '{"r": null}\n', "line 1, column 'r': expected a value, got null"),
        ("p.jsonl", '{"r": 1}\n{"r": "a"}\n', "line 2, column 'r': expected an integer"),
        ("p.jsonl", '{"r": "a"}\n{"r": 1}\n', "expected text as in the rows above, got 1"),
        ("p.jsonl", '{"r": true}\n{"r": 1}\n', "expected true or false as in the rows above"),
        ("p.jsonl", '{"r": [1]}\n', "expected a number, text or true/false, got a list"),
        ("p.jsonl", "[1]\n", "line 1: expected one JSON object"),
        ("p.jsonl", '{"r": 1}\n{"r": 1\n', "line 2: expected one JSON object"),
        ("p.jsonl", '{"r":' * 100_000, "line 1: expected one JSON object"),
        ("p.jsonl", '{"r": 1, "r": 2}\n', "line 1: one column stands twice"),
        ("p.jsonl", '{"r": "\\ud800"}\n', "column 'r': expected text that HDF5 can hold"),
        ("p.jsonl", '{"r": 0.5}\n{"r": 1' + "0" * 400 + "}\n", "line 2, column 'r': expected a nu"),
        ("p.xlsx", "", "expected a table as .csv, .tsv, .dat, .txt, .jsonl, .ndjson, got .xlsx"),
        ("points", "", "got no suffix"),
    ],
)
def test_bad_table_is_refused_with_its_line_and_column(
    write: Write, name: str, content: str | bytes, words: str
) -> None:
    path = write(name, content)
    with pytest.raises(ConfigError) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)


def test_table_that_cannot_be_opened_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_table(tmp_path / "points.csv")


@settings(deadline=None)
@given(content=st.one_of(st.binary(), st.text(alphabet='ab1.,;\t"#\n\r {}:[]')), data=st.data())
def test_any_file_gives_columns_of_equal_length_or_a_config_error(
    write: Write, content: bytes | str, data: st.DataObject
) -> None:
    path = write("points." + data.draw(st.sampled_from(["csv", "dat", "jsonl"])), content)
    try:
        axes = read_table(path)
    except ConfigError as error:
        assert str(error).startswith(f"{path}: ")
    else:
        assert len({len(axis) for axis in axes}) == 1
