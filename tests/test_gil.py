"""Which module brought the lock back is read from what CPython itself says of it."""

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator

import pytest

from fullrank import gil

# As CPython 3.13 and 3.14 write it (Python/import.c).
WARNING = (
    "The global interpreter lock (GIL) has been enabled to load module 'yaml._yaml', which has not declared that it "
    "can run safely without the GIL. To override this behavior and keep the GIL disabled (at your own risk), run with "
    "PYTHON_GIL=0 or -Xgil=0."
)
Enable = Callable[[], None]


@pytest.fixture
def free_threaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Enable]:
    """A build without the lock; what is yielded switches it on, as importing a module does."""
    is_enabled = False

    def enable() -> None:
        nonlocal is_enabled
        is_enabled = True

    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: is_enabled, raising=False)
    monkeypatch.setattr(gil, "_enabled_by", [])
    monkeypatch.setattr(warnings, "showwarning", lambda *_args: None)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        yield enable


def test_the_lock_is_told_as_python_tells_it() -> None:
    program = "import sys; print(getattr(sys, '_is_gil_enabled', lambda: True)())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert gil.gil_state() == {"True": "enabled", "False": "disabled"}[done.stdout.strip()]


def test_a_build_without_the_lock_is_told(free_threaded: Enable) -> None:
    gil.watch_gil()
    assert gil.gil_state() == "disabled"


def test_the_module_that_switched_the_lock_on_is_named(free_threaded: Enable) -> None:
    gil.watch_gil()
    free_threaded()
    warnings.warn(WARNING, RuntimeWarning, stacklevel=1)
    assert gil.gil_state() == "enabled by yaml._yaml"


def test_a_lock_that_was_there_from_the_start_is_no_modules_doing(free_threaded: Enable) -> None:
    free_threaded()  # PYTHON_GIL=1
    gil.watch_gil()
    assert gil.gil_state() == "enabled"


def test_a_lock_that_came_without_a_word_names_nobody(free_threaded: Enable) -> None:
    gil.watch_gil()
    free_threaded()
    warnings.warn("the weather is bad", RuntimeWarning, stacklevel=1)
    assert gil.gil_state() == "enabled"


def test_warnings_are_shown_as_before(free_threaded: Enable, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_args: shown.append(str(message)))
    gil.watch_gil()
    for text in (WARNING, "the weather is bad"):
        warnings.warn(text, RuntimeWarning, stacklevel=1)
    assert shown == [WARNING, "the weather is bad"]
