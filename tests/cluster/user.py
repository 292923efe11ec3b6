"""Somebody on the head of a cluster, who runs studies in a folder that all hosts see."""

import json
import re
from pathlib import Path
from typing import Any

import h5py
from hosts import ROOT, Cluster, Done, until

MANDELBROT = ROOT / "configs" / "mandelbrot.toml"
SERIAL_SECONDS = 900.0
"""For the whole of it on one core, beside other tests."""
WHOLE_SECONDS = 600.0
"""For the same on all hosts, which are one machine."""
PACED = """\
import os, time

def f(x):
    with open("visits", "ab", buffering=0) as file:
        file.write(b"%s %d\\n" % (os.uname().nodename.encode(), os.getpid()))
    end = time.monotonic() + 0.3
    while time.monotonic() < end and not os.path.exists("fast"):
        time.sleep(0.02)
    return x * x / 7
"""
"""`f` returns x * x / 7; an item takes 0.3 s, or none at all once there is a file `fast`."""
N_PACED = 1000
"""Items of a paced study: six ranks take 50 s, longer than it takes until anything happens to them."""


class User:
    """A user's folder, and commands of fullrank with one MPI library."""

    def __init__(self, cluster: Cluster, folder: Path, venv: Path) -> None:
        self.cluster = cluster
        self.folder = folder
        self.venv = venv

    def fullrank(self, *args: object, **options: Any) -> Done:
        """Run ``fullrank ARGS`` on the head, to its end; options are those of Cluster.run."""
        return self.cluster.run(self.venv / "bin" / "fullrank", *args, folder=self.folder, **options)

    def has_mandelbrot(self) -> None:
        """Have configs/mandelbrot.toml with fewer and shorter rows, as `study.toml`."""
        text = MANDELBROT.read_text()
        for name, value in {"width": 120, "height": 96, "max_iterations": 400}.items():
            text, n_found = re.subn(rf"(?m)^{name} = \d+", f"{name} = {value}", text)
            assert n_found == 1
        text, n_found = re.subn("range = 800", "range = 96", text)
        assert n_found == 1
        (self.folder / "study.toml").write_text(text)

    def has_paced(self, n_items: int = N_PACED) -> None:
        """Have a study of so many items that take 0.3 s each until they are told to hurry."""
        (self.folder / "sim.py").write_text(PACED)
        (self.folder / "study.toml").write_text(
            f'[workload]\nfunction = "sim.py:f"\n[sweep.grid]\nx = {{ range = {n_items} }}\n'
        )

    def submit(self, *args: object) -> str:
        """Submit the study, and return the job's number."""
        return self._submit("study.toml", *args)

    def submit_mandelbrot(self, *args: object) -> str:
        """The same of the whole of configs/mandelbrot.toml, as it is; its output is where that of others would be."""
        return self._submit(MANDELBROT, "-o", "results/study.h5", "--name", "study", *args)

    def _submit(self, study: object, *args: object) -> str:
        done = self.fullrank("submit", study, "--json", *args)
        number: str = json.loads(done.stdout)["job"]
        assert number.isdecimal()
        return number

    def serial_digest(self) -> str:
        """Return the digest of a serial run of the same study."""
        self.fullrank("run", "study.toml", "-b", "serial", "-o", "serial.h5")
        return self.digest("serial.h5")

    def digest(self, output: str = "results/study.h5") -> str:
        return str(self.attributes(output)["results_sha256"])

    def attributes(self, output: str = "results/study.h5") -> dict[str, Any]:
        with h5py.File(self.folder / output) as file:
            return dict(file.attrs)

    def hosts(self, output: str = "results/study.h5") -> set[str]:
        """Return the hosts that evaluated items."""
        with h5py.File(self.folder / output) as file:
            return set(file["workers/host"].asstr()[()])

    def visits(self) -> list[tuple[str, int]]:
        """Return host and process of each item that was begun."""
        path = self.folder / "visits"
        words = path.read_text().split() if path.exists() else []
        return [(host, int(pid)) for host, pid in zip(words[::2], words[1::2], strict=True)]

    def until_begun(self, n_items: int) -> None:
        until(lambda: len(self.visits()) >= n_items, f"{n_items} items were begun")

    def hurry(self) -> None:
        """Let all items be quick from now on."""
        (self.folder / "fast").touch()

    def n_finished(self) -> int:
        """Return how many items are finished, as `status` has it."""
        found = json.loads(self.fullrank("status", "study.toml", "--json").stdout)
        return int(found["n_ok"]) + int(found["n_failed"])

    def files(self) -> set[str]:
        """Return the names of all files and folders but those that Python makes."""
        found = {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}
        return {name for name in found if "__pycache__" not in name}

    def log(self, job: str = "*") -> str:
        """Return what a job has printed, or all jobs and elements of arrays."""
        return "".join(path.read_text() for path in sorted(self.folder.glob(f"study-{job}.log")))
