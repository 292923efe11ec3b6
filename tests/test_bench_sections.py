"""The sections of ``make bench`` that start ranks by themselves: does a quick run of each come to its end?"""

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "benchmarks" / "bench.py"

pytestmark = pytest.mark.mpi


@pytest.mark.parametrize(
    ("section", "row"),
    [
        ("scale", "| 4: 40 items a rank, costs known"),
        ("simulated", "| 100, 1,000 items of 10 ms a rank, messages"),
        ("waiting", ": the other rank waits for root's item"),
    ],
)
def test_quick_run_reports_the_section_and_writes_nothing(section: str, row: str) -> None:
    kept = [(BENCH.with_name(name), BENCH.with_name(name).read_bytes()) for name in ("RESULTS.md", "scale.png")]
    done = subprocess.run(
        [sys.executable, str(BENCH), "--quick", "--only", section],
        capture_output=True,
        text=True,
        timeout=115,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert row in done.stdout
    assert "nothing was written" in done.stderr
    assert all(path.read_bytes() == content for path, content in kept)
