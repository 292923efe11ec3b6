"""Results of two ways of running: what is told of those that differ."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_samples import Study, numbers_study, sweep_of

from fullrank.compare.agreement import Agreement
from fullrank.compare.measure import Taken
from fullrank.compare.records import Variant
from fullrank.errors import ResultsDiffer

SERIAL, MPI = Variant("serial", 1), Variant("mpi", 2)


class Bench:
    """Removes nothing."""

    def remove(self, taken: Taken) -> None:
        pass


def taken(study: Study, path: Path) -> Taken:
    found: Any = None
    return Taken(path, 1.0, 0.0, found, (0.5,), study.write(path).results_sha256, {}, "")


def told(first: Study, second: Study, folder: Path) -> str:
    bench: Any = Bench()
    agreement = Agreement(bench)
    agreement.check(SERIAL, taken(first, folder / "first.h5"))
    with pytest.raises(ResultsDiffer) as caught:
        agreement.check(MPI, taken(second, folder / "second.h5"))
    return str(caught.value)


def test_run_that_lacks_an_item_is_an_error_of_fullrank_and_not_of_the_users_seed(tmp_path: Path) -> None:
    study = numbers_study(sweep_of((3, 4)))
    for first, second in ((study, study.with_ends({7: 0})), (study.with_ends({7: 0}), study)):
        message = told(first, second, tmp_path)
        assert message.startswith("mpi ×2 computed other items than serial, item 7 for one")
        assert "error of fullrank" in message
        assert "seed" not in message


def test_values_that_differ_name_the_item_and_both_ways(tmp_path: Path) -> None:
    study = numbers_study(sweep_of((12,)))
    name = next(iter(study.values))
    values = {name: np.where(np.arange(12) == 5, 99.0, study.values[name])}
    message = told(study, replace(study, values=values), tmp_path)
    assert "item 5" in message
    assert "by serial" in message
    assert "99.0 by mpi ×2" in message
    assert "give the study a seed" in message
