"""Files of format version 1 that users have stay readable for ever; what is expected of them is written here by hand.

``tests/data/make.py`` says how they were made.
"""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from math import isnan
from pathlib import Path

import pytest

import fullrank
from fullrank.cli import main
from fullrank.status import Status

STORED = Path(__file__).parent / "data" / "stored"
DIGESTS = {
    "grid-v1": "52802805ce63b4888da3f29c6dddd5e99977af2e37330a775fdbf135d76bbf00",
    "table-v1": "57ebc4b54d8b865a748163d9e06f166d0050cb7791d103219e46a3daf9ce0b20",
    "varying-v1": "600143a40f6ea7fd5a75070316a7a36bc2101be31fa47a133933ce4f5911896f",
}
TABLES = {
    "grid-v1": """\
r,site,energy,n_steps,stable,status,item_seconds,item
0.5,Genève,0.1,10,true,ok,0.5,0
0.5,"say ""hi"", you",,,,failed,0.5,1
1.0,Genève,0.3,12,false,ok,0.5,2
1.0,"say ""hi"", you",nan,13,true,ok,0.5,3
1.5,Genève,,,,timed_out,0.5,4
1.5,"say ""hi"", you",-0.0,15,true,ok,0.5,5
""",
    "table-v1": """\
replicate,n,name,on,a_0,a_1,z_re,z_im,status,item_seconds,item
0,1,a,true,0.0,0.1,0.0,0.0,ok,0.5,0
0,2,"b,c",false,0.2,0.3,0.25,-0.125,ok,0.5,1
0,3,東京,true,0.4,0.5,0.5,-0.25,ok,0.5,2
1,1,a,true,0.6,0.7,0.75,-0.375,ok,0.5,3
1,2,"b,c",false,0.8,0.9,1.0,-0.5,ok,0.5,4
1,3,東京,true,,,,,missing,,5
""",
    "varying-v1": """\
k,primes_0,primes_1,primes_2,status,item_seconds,item
0,,,,ok,0.5,0
1,2,,,ok,0.5,1
2,2,3,,ok,0.5,2
3,2,3,5,ok,0.5,3
""",
}


def call(command, name, *options):
    """What a command prints of a stored file."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([command, str(STORED / f"{name}.h5"), *options])
    assert (code, err.getvalue()) == (0, "")
    return out.getvalue()


def test_every_stored_file_has_expectations() -> None:
    assert {path.stem for path in STORED.iterdir()} == set(DIGESTS) == set(TABLES)


@pytest.mark.parametrize("name", DIGESTS)
def test_stored_file_is_true_to_the_digest_it_was_made_with(name) -> None:
    (found,) = json.loads(call("verify", name, "--json"))
    assert found["results_sha256"] == DIGESTS[name]
    assert found["complete"] == (name != "table-v1")
    assert found["unknown"] == []


@pytest.mark.parametrize("name", TABLES)
def test_stored_file_is_exported_to_the_same_table(name) -> None:
    assert call("export", name, "--csv", "-", "--all") == TABLES[name]


def test_stored_grid_is_opened_with_its_failures() -> None:
    with fullrank.open_result(STORED / "grid-v1.h5") as result:
        assert (result.n_items, result.n_ok, result.n_failed, result.complete) == (6, 4, 2, True)
        assert (result.title, result.dims, result.names) == ("orbits", ("r", "site"), ("energy", "n_steps", "stable"))
        assert result.axes["r"].tolist() == [0.5, 1.0, 1.5]
        assert result.axes["site"].tolist() == ["Genève", 'say "hi", you']
        assert result.units["energy"] == "J"
        assert result["n_steps"].tolist() == [[10, -2147483647], [12, 13], [-2147483647, 15]]
        assert result["stable"].tolist() == [[True, False], [False, True], [False, True]]
        assert result["energy"][result.ok].tolist()[:2] == [0.1, 0.3]
        assert isnan(result["energy"][1, 1])
        first, second = result.failures
        assert (first.index, first.status, first.parameters) == (1, Status.FAILED, {"r": 0.5, "site": 'say "hi", you'})
        assert first.exception == "ZeroDivisionError: float division by zero"
        assert (second.index, second.status) == (4, Status.TIMED_OUT)
        assert result.config.splitlines()[-1] == "seed = 7"
        assert result.provenance["n_cores"] == 2


def test_stored_table_is_opened_with_replicates_and_complex_numbers() -> None:
    with fullrank.open_result(STORED / "table-v1.h5") as result:
        assert (result.n_items, result.n_ok, result.n_missing, result.complete) == (6, 5, 1, False)
        assert (result.dims, result.shape) == (("replicate", "item"), (2, 3))
        assert result.dims_of("a") == ("replicate", "item", "side")
        assert result.parameters(4) == {"n": 2, "name": "b,c", "on": False}
        assert result["z"].ravel().tolist()[:5] == [0, 0.25 - 0.125j, 0.5 - 0.25j, 0.75 - 0.375j, 1 - 0.5j]
        assert result.ok.tolist() == [[True, True, True], [True, True, False]]


def test_stored_arrays_of_varying_length_are_opened() -> None:
    with fullrank.open_result(STORED / "varying-v1.h5") as result:
        assert result.lengths["primes"].tolist() == [0, 1, 2, 3]
        rows = zip(result["primes"].tolist(), result.lengths["primes"], strict=True)
        assert [row[:length] for row, length in rows] == [[], [2], [2, 3], [2, 3, 5]]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("grid-v1", ["6 items: 4 ok, 1 failed, 1 timed out", "  item 4 (r=1.5, site=Genève) timed out"]),
        ("table-v1", ["6 items: 5 ok, 1 not done yet", "Sweep      2 replicates × 3 rows of n = 1, 2, 3"]),
        ("varying-v1", ["4 items: all ok", "Software   fullrank 0.1.0, Python 3.11.7"]),
    ],
)
def test_stored_file_is_reported(name, lines) -> None:
    shown = call("report", name)
    assert [line for line in lines if line not in shown] == []
