"""What sorting records and filling blocks takes of memory, in a process of its own, and what comes out."""

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

N_ITEMS = 400
N_VALUES = 200_000
"""Of the longest array: 1.6 MB. All items together would take 640 MB if each had as many."""
MOST_MIB = 100
"""A block of 16 MiB, the same of records, and a buffer of 8 MiB, with ample room."""

PROGRAM = dedent(
    """
    import io, json, sys
    from pathlib import Path

    import numpy as np

    from fullrank.buckets import Buckets
    from fullrank.claim import failures_frame, values_frame
    from fullrank.encode import Naming, encode
    from fullrank.gather import blocks, decide_schema
    from fullrank.journal import Kind, pack
    from fullrank.status import Status
    from fullrank.survey import Survey

    n_items, n_values, others, n_holders, folder = json.loads(sys.argv[1])
    LONG = n_items // 2
    STEP = 173  # coprime to the number of items: they come in no order of their index

    def mib(name):
        text = Path("/proc/self/status").read_text()
        return int(text.split(name + ":")[1].split()[0]) / 1024

    def journal(worker):
        header = {"attempt": 1, "worker": worker, "code_version": 0, "host": "h", "pid": 1, "backend": "b"}
        frames = [pack(Kind.HEADER, 0, meta=json.dumps(header).encode())]
        mine = [k * STEP % n_items for k in range(n_items)][worker::n_holders]
        for indices in (mine[:-50], mine[-50:]):
            short = [index for index in indices if index != LONG]
            if others == "failed":
                frames.append(failures_frame([(i, 0.5, Status.FAILED, {"exception": "E"}) for i in short]))
            else:
                groups, _ = encode([[float(index)] for index in short], Naming("f"))
                frames += [values_frame(group, short, [0.5] * len(short)) for group in groups]
        if LONG in mine:
            groups, _ = encode([[float(k) for k in range(n_values)]], Naming("f"))
            frames += [values_frame(group, [LONG], [0.5]) for group in groups]
        path = Path(folder, f"a0001-w{worker:05}.journal")
        path.write_bytes(b"".join(frames))
        return path

    paths = [journal(worker) for worker in range(n_holders)]
    survey = Survey()
    for path in paths:
        survey.add_journal(path)
    schema = decide_schema(survey, n_items)
    before = mib("VmHWM")
    holders = []
    for path in paths:
        holders.append(Buckets(schema, Path(folder)))
        with path.open("rb") as stream:
            holders[-1].add_journal(stream, path)
    lengths, firsts, longest = [], [], None
    messages = ([holder.take(bucket) for holder in holders] for bucket in range(schema.n_buckets))
    for block in blocks(schema, messages):
        lengths += block.lengths["f"].tolist() if block.lengths else [n_values * int(s == 1) for s in block.status]
        firsts += block.values["f"][:, 0].tolist()
        if block.start <= LONG < block.start + len(block.status):
            longest = np.array_equal(block.values["f"][LONG - block.start], np.arange(float(n_values)))
    print(json.dumps([mib("VmHWM") - before, lengths, firsts, longest]))
    """
)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell what a process took")
@pytest.mark.parametrize("n_holders", [1, 2])
@pytest.mark.parametrize("others", ["short", "failed"])
def test_one_long_array_does_not_make_the_records_of_all_items_as_long(
    others: str, n_holders: int, tmp_path: Path
) -> None:
    told = json.dumps([N_ITEMS, N_VALUES, others, n_holders, str(tmp_path)])
    done = subprocess.run([sys.executable, "-c", PROGRAM, told], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    mib, lengths, firsts, longest = json.loads(done.stdout)
    assert mib < MOST_MIB
    assert longest
    is_long = [index == N_ITEMS // 2 for index in range(N_ITEMS)]
    short = 1 if others == "short" else 0
    assert lengths == [N_VALUES if long else short for long in is_long]
    assert firsts == [float(index) if short and not long else 0.0 for index, long in enumerate(is_long)]
