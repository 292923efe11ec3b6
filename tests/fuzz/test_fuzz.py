"""A small, seeded share of ``make fuzz``, and that the runner notices what it is there to notice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).with_name("fuzz.py")
TARGETS = {"config": 300, "table": 600, "command_line": 60, "journal": 400, "work_folder": 400, "result": 20}

ROTTEN = f"""\
import os, socket, sys, time
from pathlib import Path
sys.path.insert(0, {str(FUZZ.parent)!r})
import fuzz
from fullrank.errors import ConfigError
from targets import Target

fuzz.HANG_SECONDS = 0.2
fuzz.KEPT = Path(sys.argv[1])
outside = Path(sys.argv[1]) / "outside"
acts = {{
    b"refuses": lambda: (_ for _ in ()).throw(ConfigError("no")),
    b"raises": lambda: 1 / 0,
    b"hangs": lambda: time.sleep(60),
    b"writes": lambda: outside.write_text("x"),
    b"reads": lambda: open("/etc/passwd").close(),
    b"removes": lambda: os.remove(outside),
    b"runs what it reads": lambda: exec(compile("1", os.path.abspath("sim.py"), "exec")),
    b"calls": lambda: socket.socket().close(),
}}
names = iter(acts)
target = Target("rotten", lambda chance: next(names), lambda data: acts[data]())
runner = fuzz.Runner(1)
runner._warm = lambda target: None
count = runner.run(lambda folder: target, lambda count: count.inputs < len(acts))
print(count.inputs, count.tracebacks, count.hangs, count.touches)
"""


@pytest.mark.parametrize("target", TARGETS)
def test_changed_samples_are_read_or_refused_with_a_sentence(target: str) -> None:
    n_inputs = TARGETS[target]
    words = [sys.executable, FUZZ, "--seed", "20261126", "--target", target, "--only", str(n_inputs), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=110, check=False)
    assert done.stdout, done.stderr
    (count,) = json.loads(done.stdout)
    assert (count["inputs"], count["kinds"]) == (n_inputs, {})
    assert done.returncode == 0


def test_runner_notices_tracebacks_hangs_and_touches(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ROTTEN, tmp_path], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["8", "1", "1", "5"]
