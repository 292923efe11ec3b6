"""Values of options, as argparse reads them: each raises ArgumentTypeError with the sentence to show."""

from argparse import ArgumentTypeError

DEFAULT_WATCH_SECONDS = 2.0
"""From one look of ``status --watch`` to the next."""


def duration(text: str) -> float:
    """Return a duration in s, finite and > 0."""
    from fullrank.durations import duration_seconds

    try:
        return duration_seconds(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def positive(text: str) -> int:
    """Return an integer >= 1."""
    return _integer(text, least=1)


def natural(text: str) -> int:
    """Return an integer >= 0."""
    return _integer(text, least=0)


def _integer(text: str, *, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        shown = text if len(text) <= 40 else text[:39] + "…"
        raise ArgumentTypeError(f"expected an integer >= {least}, got {shown}")
    return number


def job(text: str) -> str:
    """Return a batch system and the number of a job of it, as ``slurm:4711``."""
    from fullrank.commands.submission import SYSTEM_NAMES

    system, _, number = text.partition(":")
    if system not in SYSTEM_NAMES or not number[:1].isdecimal():
        raise ArgumentTypeError(f"expected a batch system and a number, as in slurm:4711, got {text!r}")
    return text
