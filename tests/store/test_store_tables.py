"""The groups of the file."""

from dataclasses import replace

import h5py
import numpy as np

from fullrank.schema import AttemptRow, Failure, Tables, WorkerRow
from fullrank.store import ResultFile


def test_tables_come_back_as_they_went_in(tmp_path, study):
    worker, attempt = study.tables.workers[0], study.tables.attempts[0]
    tables = Tables(
        failures=(Failure(5, 2, '{"r": 3.0}', "ValueError: é", "line 1\nline 2\n", "", 0),),
        workers=(worker, replace(worker, worker=1, cpu_seconds=0.0)),
        attempts=(replace(attempt, ended="", reason="killed"), attempt),
        provenance={"python": "3.11.7", "n_cores": 2, "load": 0.25},
        config='title = "é"\r\n# the end, without a line feed',
        identity='{"sweep": {}}',
    )
    replace(study.with_ends({5: 2}), tables=tables).write(tmp_path / "a.h5")
    with ResultFile(tmp_path / "a.h5") as file:
        assert file.tables() == tables
        assert (file.config, file.identity) == (tables.config, tables.identity)


def test_what_a_killed_worker_left_unknown_is_nan(tmp_path, study):
    worker = replace(study.tables.workers[0], cpu_seconds=float("nan"))
    replace(study, tables=Tables((), (worker,), ())).write(tmp_path / "a.h5")
    with ResultFile(tmp_path / "a.h5") as file:
        assert np.isnan(file.workers()[0].cpu_seconds)
        assert (file.failures(), file.attempts()) == ((), ())


def test_texts_that_hdf5_cannot_hold_are_spelled_out(tmp_path, study):
    failure = Failure(5, 2, "{}", "E: \udc80", "a\0b", "\ud800\0", 0)
    study = study.with_ends({5: 2})
    tables = replace(study.tables, failures=(failure,), provenance={"host": "a\0"})
    replace(study, tables=tables, title="\udcff").write(tmp_path / "a.h5")
    with ResultFile(tmp_path / "a.h5") as file:
        found = file.failures()[0]
        assert found.exception == r"E: \udc80"
        assert (found.traceback, found.output) == (r"a\x00b", r"\ud800\x00")
        assert file.title == r"\udcff"
        assert file.provenance() == {"host": r"a\x00"}


def test_every_column_of_a_table_is_described(tmp_path, study):
    study.write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        for group, row_type in [
            ("failures", Failure),
            ("workers", WorkerRow),
            ("attempts", AttemptRow),
        ]:
            assert set(row_type.__dataclass_fields__) <= set(file[group])
