"""What the tests of all backends share."""

import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from backend_studies import BACKENDS, ISOLATED, NOTE, Make, Study
from studies import INTERPRETERS

from fullrank.axes import RangeAxis
from fullrank.encode import Naming
from fullrank.function import FunctionSource, Parameter
from fullrank.interrupt import STOP_SIGNALS
from fullrank.job import Job
from fullrank.schedule import spread_stride
from fullrank.sweep import Sweep


@pytest.fixture(scope="module", autouse=True)
def _little_to_collect() -> Iterator[None]:
    gc.collect()
    gc.freeze()  # each test collects twice; what other tests left is not looked through every time
    yield
    gc.unfreeze()


@pytest.fixture(params=[INTERPRETERS if name == "interpreters" else name for name in BACKENDS] + ISOLATED)
def study_of(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leaves_nothing_running: None
) -> Iterator[Make]:
    """``study_of(body)``: a study whose function ``f(i)`` has this body; afterwards nothing of the run is left.

    Each backend with and without isolation: what they promise is the same.
    """
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "fr_study", raising=False)
    name, _, isolated = request.param.partition(", ")
    backend, n_workers = BACKENDS[name]

    def make(body: str, *, n_items: int = 40, top: str = "", **options: Any) -> Study:
        lines = dedent(body).strip().splitlines()
        text = f"import ctypes, os, signal, sys, time\n{NOTE}\n{dedent(top)}\n"
        (tmp_path / "fr_study.py").write_text(text + "def f(i):\n" + "\n".join("    " + line for line in lines))
        (tmp_path / "work").mkdir(exist_ok=True)
        settings: dict[str, Any] = {
            "constants": {},
            "seed": None,
            "naming": Naming("f"),
            "stride": spread_stride(n_items),
            "schedule": "guided",
            "n_workers": n_workers,
            "attempt": 1,
            "backend": name,
            "isolate": bool(isolated),
            "work_folder": str(tmp_path / "work"),
        }
        job = Job(
            function=FunctionSource("fr_study.py:f", (str(tmp_path),)),
            parameters=(Parameter("i", "positional", True),),
            setup=None,
            setup_parameters=(),
            sweep=Sweep("grid", (RangeAxis("i", start=0, stop=n_items),)),
            **(settings | options),
        )
        return Study(backend, job)

    timer = signal.setitimer(signal.ITIMER_REAL, 0)  # pytest's own
    before = _surroundings()
    yield make
    after = _surroundings()
    signal.setitimer(signal.ITIMER_REAL, *timer)
    assert after == before


def _surroundings() -> dict[str, Any]:
    """Return what a run must leave as it was."""
    gc.collect()
    return {
        "signals": [signal.getsignal(number) for number in (*STOP_SIGNALS, signal.SIGALRM)],
        "timer": signal.getitimer(signal.ITIMER_REAL),
        "threads": threading.enumerate(),
        "descriptors": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        "streams": (sys.stdout, sys.stderr),
        "cwd": Path.cwd(),
    }
