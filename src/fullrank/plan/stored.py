"""A pilot that is there: the partial result of an earlier plan, or of any run whose first items have an end."""

from itertools import takewhile
from math import nan
from pathlib import Path

import numpy as np

from fullrank.config import Config
from fullrank.identity import Identity
from fullrank.plan.around import around
from fullrank.plan.pilot import MOST_SAMPLED, Pilot, read_pilot
from fullrank.plan.predict import refusal
from fullrank.schedule import Order
from fullrank.since import since
from fullrank.status import Status
from fullrank.store import ResultFile, block_size
from fullrank.workfolder import WorkFolder


def stored_pilot(config: Config, output: Path) -> Pilot | None:
    """Return what the partial result of the study tells; None if there is none, or it allows no prediction."""
    partial = WorkFolder(output).partial
    if not partial.exists():
        return None
    with ResultFile(partial) as file:
        identity = Identity.from_json(file.identity)
    if since(config, identity).changes:
        return None
    n_sampled = _n_ended(config, partial)
    with ResultFile(partial) as file:
        told = around(file.attempts(), file.workers(), output=output)
    if not n_sampled or told is None:
        return None
    pilot = read_pilot(config, output, n_sampled, n_workers=told.n_workers, command_seconds=nan, others=nan)
    return pilot if pilot.n_left > 0 and not refusal(pilot.item_seconds) else None


def _n_ended(config: Config, partial: Path) -> int:
    """Return how many first items of the ``spread`` order have an end: only these are a fair sample."""
    n_items = config.sweep.n_items
    first = Order.named("spread", n_items).indices(range(min(n_items, MOST_SAMPLED)))
    has_end = np.zeros(n_items, np.bool_)
    with ResultFile(partial) as file:
        for block in file.blocks(block_size(file)):
            has_end[block.start : block.start + len(block.status)] = block.status != Status.MISSING
    return sum(1 for _ in takewhile(bool, has_end[first]))
