"""What stands in a result file: the records that the gather hands to the store."""

from collections.abc import Mapping
from math import nan

import numpy as np
from numpy.typing import NDArray

from fullrank.dataclass import dataclass, field


@dataclass(frozen=True)
class Field:
    """One result dataset: what each item contributes to it."""

    name: str
    dtype: str
    """numpy's name of what is stored, little-endian: ``<f8``, ``<i8``, ``|i1`` ..."""
    shape: tuple[int, ...] = ()
    """Shape of one item's value; () for a number. A varying array's is the longest one's."""
    is_bool: bool = False
    """The function returned bools; they are stored as int8."""
    varying: bool = False
    """One-dimensional, padded to the longest; lengths go to ``<name>_length``."""
    part_of: str = ""
    """The complex result of which this is the real or imaginary part."""


@dataclass(frozen=True)
class Block:
    """What is known of the items ``start … start + n - 1``, in index order.

    Rows whose status is not 1 (ok) hold anything in ``values``; the store writes fill values.
    """

    start: int
    status: NDArray[np.int8]
    """Shape (n,); codes of :class:`fullrank.status.Status`; /status."""
    seconds: NDArray[np.float32]
    """Duration of each item in s, shape (n,), NaN where missing; /item_seconds."""
    worker: NDArray[np.int32]
    """Row of the item's worker in /workers, shape (n,), -1 where missing; /worker."""
    code_version: NDArray[np.int16]
    """Number of the code version that computed the item, shape (n,), -1 where missing; /code_version."""
    values: Mapping[str, NDArray[np.generic]]
    """One array of shape (n, *field.shape) and the field's dtype for each field, by name."""
    lengths: Mapping[str, NDArray[np.int64]]
    """Shape (n,), for varying fields: length of each item's array, 0 where missing."""


@dataclass(frozen=True)
class Failure:
    """An item without a result, as the file's ``failures`` group tells it."""

    index: int
    status: int
    parameters: str
    """JSON object."""
    exception: str
    """``ZeroDivisionError: float division by zero``."""
    traceback: str
    output: str
    """The last of what the item printed."""
    worker: int
    """Row in /workers."""


@dataclass(frozen=True)
class WorkerRow:
    """One worker of one attempt, with the account of its time; NaN where a killed worker left none."""

    attempt: int
    worker: int
    """Its number in the attempt; the rank under MPI."""
    host: str
    pid: int
    backend: str
    n_items: int
    n_claims: int
    startup_seconds: float
    """From the start of its process until it could receive its job."""
    import_seconds: float
    """Import of the user's module and ``setup``."""
    compute_seconds: float
    """Inside items: the worker's busy time."""
    claim_seconds: float
    journal_seconds: float
    elapsed_seconds: float
    """From the attempt's common start to the end of this worker's last item."""
    cpu_seconds: float
    """CPU time of the worker's process (thread, in ``threads`` and ``interpreters``) over ``elapsed_seconds``."""
    platform: str = ""
    """C library, CPU model and a checksum of the CPU's features: what the bits of a result may depend on."""
    launch_seconds: float = nan
    """From the start of root's process, or the end of the attempt before in the same command, to the start of the
    worker's; 0 where that is root's, and under MPI."""
    root_import_seconds: float = nan
    """Of ``startup_seconds``, import of the user's module by root, in whose process the worker found it loaded."""
    start_wait_seconds: float = nan
    """From the end of import and setup to the attempt's common start."""
    prepare_seconds: float = nan
    """Between a claim and its first item: items looked up, arguments, seeds; a suspect's child process started."""
    encode_seconds: float = nan
    """From results to bytes, and describing failures."""
    count_seconds: float = nan
    """Telling the shared counter what is finished."""
    end_wait_seconds: float = nan
    """From the end of the worker's last item until all workers had ended."""
    account_seconds: float = nan
    """From the start of ``launch_seconds`` until root wrote the account, by the clock alone. It is
    launch + startup + import + start_wait + elapsed + end_wait, and of the attempt gather + write, but for what these
    leave unexplained."""


@dataclass(frozen=True)
class AttemptRow:
    """One start of the study; ``ended`` is "" for an attempt that was killed."""

    attempt: int
    started: str
    """ISO 8601 with offset."""
    ended: str
    backend: str
    n_workers: int
    schedule: str
    order: str
    reason: str
    """complete, stopped, killed, failures, worker died ..."""
    wall_seconds: float
    """From the start of the command's process to the end of the attempt; NaN if killed."""
    n_done_again: int = 0
    """Items that were running when workers of this attempt died, and were evaluated again later."""
    done_again_seconds: float = 0.0
    """What these items took then: an upper bound of the compute their deaths cost, but for items of the same claims
    that had ended and were not yet in a journal: mostly a tenth of a second a worker, 1 s at most, unless the item that
    ran held the GIL."""
    gather_seconds: float = nan
    """After the workers had ended: root read what journals hold, and their records were sorted and brought to it."""
    write_seconds: float = nan
    """After that: root wrote the items into the file, until it wrote the account."""
    shard: str = ""
    """The share of the items that it was to evaluate, ``3/20``; "" for all of them."""


@dataclass(frozen=True)
class Tables:
    """Everything of the file that is not one value an item."""

    failures: tuple[Failure, ...]
    workers: tuple[WorkerRow, ...]
    attempts: tuple[AttemptRow, ...]
    provenance: Mapping[str, str | int | float] = field(default_factory=dict)
    config: str = ""
    """The exact text of the config."""
    identity: str = ""
    """Canonical JSON of what makes this study this study."""
    versions: tuple[str, ...] = ()
    """The same by version of the code, if there was more than one; the last is ``identity``."""
