import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fullrank.axes import LinearAxis, ListAxis, LogAxis, RangeAxis
from fullrank.config import ArrayFile, Config, ResultInfo, Results, RunOptions, load
from fullrank.errors import ConfigError
from fullrank.sweep import Sweep

Study = Callable[[str], Config]

WORKLOAD = '[workload]\nfunction = "sim.py:simulate"\n'
GRID = WORKLOAD + "[sweep.grid]\n"
MINIMAL = GRID + "r = [1, 2]\n"

EVERYTHING = """\
title = "Lyapunov exponent"

[workload]
function = "code/sim.py:simulate"
setup = "package.module:load"
seed = 20261123

[workload.constants]
transient = 500
ratios = [0.5, 0.25]
name = "logistic"
nested = { deep = [1, "two"], on = true }
potential = { npy = "potential.npy" }

[sweep]
replicates = 3

[sweep.grid]
r = { start = 2.5, stop = 4, num = 2000, units = "1", long_name = "growth rate" }
x0 = [0.1, 1]
k = { start = 1, stop = 1000, num = 4, scale = "log" }
n = { range = [10, 600, 5], units = "m" }
kind = { values = ["a", "b"], long_name = "kind" }

[results]
names = ["exponent", "orbit"]

[results.orbit]
units = "1"
long_name = "the orbit"
dims = ["step"]

[run]
schedule = "static"
order = "index"
item_time_limit_seconds = 60
isolate = true
item_memory_limit_bytes = 2_000_000_000
max_failures = 100
on_error = "record"

[output]
path = "~/results/lyapunov.h5"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies")
    (folder / "code").mkdir()
    for name in ("sim.py", "code/sim.py", "potential.npy"):
        (folder / name).write_bytes(b"")
    (folder / "points.csv").write_text("r,x\n1,0.5\n2,1.5\n")
    return folder


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    """``study(text)``: what ``load`` makes of a file ``study.toml`` with that text."""

    def study(text: str) -> Config:
        path = folder / "study.toml"
        path.write_bytes(text.encode())
        return load(path)

    return study


def test_every_key_arrives(study: Study, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    config = study(EVERYTHING)
    assert config.path == folder / "study.toml"
    assert config.title == "Lyapunov exponent"
    assert config.text == EVERYTHING
    assert config.workload.function == "code/sim.py:simulate"
    assert config.workload.setup == "package.module:load"
    assert config.workload.seed == 20261123
    assert config.workload.constants == {
        "transient": 500,
        "ratios": [0.5, 0.25],
        "name": "logistic",
        "nested": {"deep": [1, "two"], "on": True},
        "potential": ArrayFile(folder / "potential.npy"),
    }
    assert config.sweep == Sweep(
        "grid",
        (
            LinearAxis("r", start=2.5, stop=4.0, num=2000, units="1", long_name="growth rate"),
            ListAxis("x0", values=[0.1, 1.0]),
            LogAxis("k", start=1.0, stop=1000.0, num=4),
            RangeAxis("n", start=10, stop=600, step=5, units="m"),
            ListAxis("kind", values=["a", "b"], long_name="kind"),
        ),
        replicates=3,
    )
    assert config.results == Results(
        names=("exponent", "orbit"),
        variables={"orbit": ResultInfo(units="1", long_name="the orbit", dims=("step",))},
    )
    assert config.run == RunOptions(
        schedule="static",
        order="index",
        item_time_limit_seconds=60.0,
        isolate=True,
        item_memory_limit_bytes=2_000_000_000,
        max_failures=100,
        on_error="record",
    )
    assert config.output == Path("/home/ada/results/lyapunov.h5")


def test_what_is_not_told_has_its_default(study: Study, folder: Path) -> None:
    config = study(MINIMAL)
    assert config.title == "study"
    assert config.workload.constants == {}
    assert (config.workload.seed, config.workload.setup, config.output) == (None, None, None)
    assert config.results == Results()
    assert config.run == RunOptions(
        "guided", "spread", None, isolate=False, item_memory_limit_bytes=None, max_failures=None, on_error="record"
    )
    assert config.sweep.replicates is None


def test_functions_file_is_absolute_and_none_for_a_module(study: Study, folder: Path) -> None:
    workload = study(EVERYTHING).workload
    assert (workload.file, workload.setup_file) == (folder / "code/sim.py", None)
    workload = study(MINIMAL.replace("sim.py:simulate", "package.sim:Model.run")).workload
    assert (workload.file, workload.setup_file) == (None, None)


def test_paths_are_relative_to_the_config_and_absolute_afterwards(
    study: Study, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study(MINIMAL + '[workload.constants]\nv = { npy = "potential.npy" }\n')
    monkeypatch.chdir(folder.parent)
    config = load(Path(folder.name, "study.toml"))
    assert config.path == folder / "study.toml"
    assert config.workload.folder == folder
    assert config.workload.constants["v"] == ArrayFile(folder / "potential.npy")


def test_sub_table_is_an_axis_too(study: Study) -> None:
    config = study(WORKLOAD + "[sweep.grid.r]\nstart = 0\nstop = 1\nnum = 3\n")
    assert config.sweep.axes == (LinearAxis("r", start=0.0, stop=1.0, num=3),)


@pytest.mark.parametrize(
    ("written", "numbers"),
    [
        ("600", range(600)),
        ("[600]", range(600)),
        ("[10, 60]", range(10, 60)),
        ("[10, 60, 7]", range(10, 60, 7)),
        ("[5, -5, -1]", range(5, -5, -1)),
    ],
)
def test_range_is_written_as_in_python(study: Study, written: str, numbers: range) -> None:
    (axis,) = study(GRID + f"n = {{ range = {written} }}\n").sweep.axes
    assert axis.column(range(len(axis))) == list(numbers)


def test_zip_walks_axes_of_any_form_together(study: Study) -> None:
    text = WORKLOAD + "[sweep.zip]\na = [1, 2, 3]\nb = { start = 0, stop = 1, num = 3 }\n"
    sweep = study(text).sweep
    assert [sweep.parameters(i) for i in range(3)] == [
        {"a": 1, "b": 0.0},
        {"a": 2, "b": 0.5},
        {"a": 3, "b": 1.0},
    ]


def test_table_is_read_from_the_configs_folder(study: Study) -> None:
    sweep = study(WORKLOAD + '[sweep]\nreplicates = 2\ntable.path = "points.csv"\n').sweep
    assert (sweep.kind, sweep.shape) == ("table", (2, 2))
    assert sweep.parameters(3) == {"r": 2, "x": 1.5}


def test_inf_and_nan_are_values_of_a_list(study: Study) -> None:
    first, second = study(GRID + "r = [inf, nan]\n").sweep.columns([0, 1])[0]
    assert first == float("inf") and second != second


def test_byte_order_mark_and_windows_line_ends_do_no_harm(study: Study) -> None:
    text = MINIMAL.replace("\n", "\r\n")
    assert study("\ufeff" + text).text == text


def test_largest_seed_is_taken(study: Study) -> None:
    text = MINIMAL.replace("[sweep", f"seed = {2**63 - 1}\n[sweep", 1)
    assert study(text).workload.seed == 2**63 - 1


def accepted_whole_or_refused_in_a_sentence(study: Study, text: str) -> None:
    try:
        config = study(text)
    except ConfigError as error:
        assert "study.toml: " in str(error) or "points.csv: " in str(error)
        assert "\n" not in str(error)
    else:
        sweep = config.sweep
        assert pickle.loads(pickle.dumps(sweep)).describe() == sweep.describe()
        json.dumps(sweep.describe(), allow_nan=False)
        for index in (0, sweep.n_items - 1):
            assert len(sweep.parameters(index)) == len(sweep.axes)


@given(text=st.text(st.characters(codec="utf-8")))
@settings(deadline=None, max_examples=300)
def test_any_text_is_refused_in_a_sentence(study: Study, text: str) -> None:
    accepted_whole_or_refused_in_a_sentence(study, text)


@given(
    start=st.integers(0, len(EVERYTHING)),
    length=st.integers(0, 40),
    text=st.text('{}[]=,."\n#0 a', max_size=5),
)
@settings(deadline=None, max_examples=300)
def test_config_with_an_error_anywhere_is_refused_in_a_sentence(
    study: Study, start: int, length: int, text: str
) -> None:
    accepted_whole_or_refused_in_a_sentence(study, EVERYTHING[:start] + text + EVERYTHING[start + length :])


KEYS = """
title sweep sweep.replicates sweep.grid sweep.grid.r sweep.grid.r.start sweep.grid.r.num
sweep.grid.r.scale sweep.grid.r.range sweep.grid.r.values sweep.zip.r sweep.zip.x sweep.table
sweep.table.path workload workload.function workload.setup workload.seed workload.constants
workload.constants.c workload.constants.c.npy results results.names results.y results.y.dims
results.y.units run.order run.max_failures run.item_time_limit_seconds
run.isolate run.item_memory_limit_bytes run.on_error output output.path
"""
KEYS_IN_AXES = "start stop num scale step range values units npy path r"
WORDS = "true inf nan 2024-01-01 07:32:00 'points.csv' 'sim.py:simulate' 'log' 'guided'"

plain_values = st.one_of(
    st.integers().map(str),
    st.integers(-3, 9).map(str),
    st.floats().map(repr),
    st.text(max_size=8).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(WORDS.split()),
)


def in_a_list(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(inner, max_size=4).map(lambda items: f"[{', '.join(items)}]")


def in_a_table(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.dictionaries(st.sampled_from(KEYS_IN_AXES.split()), inner, max_size=4).map(
        lambda table: f"{{{', '.join(f'{key} = {value}' for key, value in table.items())}}}"
    )


values = st.recursive(plain_values, lambda inner: in_a_list(inner) | in_a_table(inner), max_leaves=6)


@given(changes=st.dictionaries(st.sampled_from(KEYS.split()), values, min_size=1, max_size=3))
@settings(deadline=None, max_examples=500)
def test_any_value_at_any_key_is_taken_or_refused_in_a_sentence(study: Study, changes: dict[str, str]) -> None:
    lines = {"workload.function": '"sim.py:simulate"', "sweep.grid.r": "[1, 2]"}
    for key in changes:
        lines = {k: v for k, v in lines.items() if not f"{k}.".startswith(f"{key}.")}
    text = "".join(f"{key} = {value}\n" for key, value in {**lines, **changes}.items())
    accepted_whole_or_refused_in_a_sentence(study, text)
