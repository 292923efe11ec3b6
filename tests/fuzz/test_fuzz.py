"""A small, seeded share of ``make fuzz``, and that what feeds and guides notices what it is there to notice."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FUZZ = Path(__file__).with_name("fuzz.py")
TARGETS = {"config": 300, "table": 600, "command_line": 30, "journal": 400, "work_folder": 400, "result": 16}
PATHS = [str(folder) for folder in (FUZZ.parent, FUZZ.parents[1], FUZZ.parents[1] / "store")]

ROTTEN = f"""\
import os, socket, sys, time
from pathlib import Path
sys.path[:0] = {PATHS}
import count, runner, starving
from fullrank.errors import ConfigError
from targets import Target

runner.HANG_SECONDS = 0.2
count.KEPT = Path(sys.argv[1])
outside = Path(sys.argv[1]) / "outside"
acts = {{
    b"refuses": lambda: (_ for _ in ()).throw(ConfigError("no")),
    b"raises": lambda: 1 / 0,
    b"hangs": lambda: time.sleep(60),
    b"waits for a core": lambda: (setattr(starving, "waited_seconds", lambda pid: 1000.0), time.sleep(0.5)),
    b"writes": lambda: outside.write_text("x"),
    b"reads": lambda: open("/etc/passwd").close(),
    b"removes": lambda: os.remove(outside),
    b"runs what it reads": lambda: exec(compile("1", os.path.abspath("sim.py"), "exec")),
    b"calls": lambda: socket.socket().close(),
}}
names = iter(acts)
target = Target("rotten", [], lambda chance: next(names), None, lambda data: acts[data]())
runner.Runner._warm = lambda self, target: None
found = runner.Runner(1).run(lambda folder: target, lambda count: count.inputs < len(acts))
print(found.inputs, found.tracebacks, found.hangs, found.touches)
"""

PLANTED = f"""\
import sys
from pathlib import Path
sys.path[:0] = {PATHS}
import atheris, count, guided
from part import Part
from target import Target

count.KEPT = Path(sys.argv[1])

def feed(data):
    if int.from_bytes(data[:4], "little") == 0x5AC39917:
        raise LookupError("planted")

def change(chance, data, mutate):
    return mutate(data)

def leave(found):
    print(found.inputs, found.tracebacks, *found.kinds, flush=True)

class Until(Part):
    def go_on(self, count):
        return not count.tracebacks and count.inputs < 200_000

atheris.instrument_func(feed)
target = Target("planted", [b"a sample"], None, change, feed)
from runner import Runner
Runner._warm = lambda self, target: None
guided.guide(lambda folder: target, Until("planted", "guided", seed=1), None, leave)
"""

DYING = f"""\
import os, sys, time
from pathlib import Path
sys.path[:0] = {PATHS}
import count, part

count.KEPT = Path(sys.argv[1]) / "kept"
part._PROGRAMS["blind"] = Path(sys.argv[1]) / "dying.py"
found = part.Part("config", "blind", seed=1, n_inputs=9).run()
print(found.inputs, found.deaths, *sorted(path.read_text() for path in count.KEPT.iterdir()))
"""

DIES = """\
import os
from count import Count
from part import program

def feed(part, last, leave):
    count = Count(part.target, part.way)
    while part.go_on(count):
        count.inputs += 1
        last.note(count.inputs, b"fatal" if count.inputs == 4 else b"harmless")
        if count.inputs == 4:
            os.abort()
    leave(count)

program(feed)
"""

UNFED = f"""\
import sys
sys.path[:0] = {PATHS}
from count import Count

print(Count("result", "guided").is_clean, Count("result", "guided", inputs=1).is_clean)
"""

ACCEPTED = f"""\
import sys
from pathlib import Path
sys.path[:0] = {PATHS}
from targets import TARGETS

for name in ("config", "table", "journal", "work_folder", "result"):
    folder = Path(sys.argv[1]) / name
    folder.mkdir()
    target = TARGETS[name](folder)
    for sample in target.samples:
        target.feed(sample)
    print(name, len(target.samples) > 0)
"""


def said_by(script: str, folder: Path) -> str:
    words = [sys.executable, "-c", script, folder]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_changed_samples_are_read_or_refused_with_a_sentence(target: str) -> None:
    n_inputs = TARGETS[target]
    asked = ["--seed", "20261126", "--target", target, "--way", "blind", "--only", str(n_inputs), "--json"]
    done = subprocess.run([sys.executable, FUZZ, *asked], capture_output=True, text=True, timeout=110, check=False)
    assert done.stdout, done.stderr
    (count,) = json.loads(done.stdout)
    assert (count["inputs"], count["deaths"], count["kinds"]) == (n_inputs, 0, {})
    assert done.returncode == 0


def test_target_whose_start_takes_longer_than_its_share_of_the_time_is_fed_all_the_same() -> None:
    asked = ["--target", "result", "--way", "blind", "--seconds", "0.01", "--json"]
    done = subprocess.run([sys.executable, FUZZ, *asked], capture_output=True, text=True, timeout=110, check=False)
    (count,) = json.loads(done.stdout)
    assert count["inputs"] > 0


def test_target_that_was_fed_nothing_is_no_success() -> None:
    assert said_by(UNFED, FUZZ.parent).split() == ["False", "True"]


def test_samples_are_valid_so_that_what_is_changed_in_them_is_what_is_refused(tmp_path: Path) -> None:
    names = ("config", "table", "journal", "work_folder", "result")
    assert said_by(ACCEPTED, tmp_path).splitlines() == [f"{name} True" for name in names]


def test_runner_notices_tracebacks_hangs_and_touches_and_no_hang_where_others_have_the_core(tmp_path: Path) -> None:
    assert said_by(ROTTEN, tmp_path).split() == ["9", "1", "1", "5"]


def test_death_of_the_process_is_counted_and_its_input_is_kept(tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text(DIES)
    assert said_by(DYING, tmp_path).split() == ["9", "2", "fatal"]


@pytest.mark.skipif(
    find_spec("atheris") is None, reason="atheris, which guides the fuzzer, is installed by `make fuzz`"
)
def test_guided_inputs_find_what_blind_ones_would_not(tmp_path: Path) -> None:
    """Four bytes have to be right: 200,000 blind inputs would come upon it with a chance of one in 20,000."""
    n_inputs, n_tracebacks, kind = said_by(PLANTED, tmp_path).split(maxsplit=2)
    assert (n_tracebacks, kind.split(" ")[0]) == ("1", "LookupError")
    assert int(n_inputs) < 200_000
    assert len(list(tmp_path.iterdir())) == 1
