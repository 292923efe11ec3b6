"""Reads files that are not to be trusted, by every command, and prints what each said and what it touched.

``python reading.py FOLDER``: in FOLDER are ``study.toml``, ``good.h5``, the folder ``elsewhere``, and in ``samples``
a folder for each file, with ``study.h5`` and a stopped study ``whole.h5`` whose partial file is the same.
"""

import io
import json
import resource
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from watch import Notices, Watch

from fullrank.cli import main

MEMORY_BYTES = 4 << 30


def commands(folder: Path, sample: Path) -> dict[str, list[object]]:
    file, good, study = sample / "study.h5", folder / "good.h5", folder / "study.toml"
    return {
        "verify": ["verify", file],
        "report": ["report", file],
        "export": ["export", file, "--csv", "-"],
        "status": ["status", file],
        "diff": ["diff", file, good],
        "diff reversed": ["diff", good, file],
        "run": ["run", study, "-b", "processes", "-q", "-o", file],
        "gather": ["gather", study, "--partial", "-o", sample / "whole.h5"],
    }


def call(arguments: list[object]) -> tuple[int, str]:
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = main([str(argument) for argument in arguments])
    return code, said.getvalue()


def read(folder: Path) -> list[dict[str, object]]:
    for arguments in commands(folder, folder / "warm").values():
        call(arguments)  # whatever these commands import is there from now on
    call(["verify", folder / "study.toml"])
    watch, notices = Watch(), Notices(folder / "elsewhere")
    found = []
    for sample in sorted((folder / "samples").iterdir()):
        for name, arguments in commands(folder, sample).items():
            # the function that the user named is looked for before the output
            with watch.over(sample, folder, modules=["sim"] if name == "run" else []) as touched:
                code, said = call(arguments)
            opened = notices.opened()
            found.append(
                {"sample": sample.name, "command": name, "code": code, "said": said, "touched": touched + opened}
            )
    return found


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    json.dump(read(Path(sys.argv[1])), sys.stdout)
