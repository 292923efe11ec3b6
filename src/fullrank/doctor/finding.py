"""What came of one check."""

from collections.abc import Iterable

from fullrank.dataclass import dataclass

OK, WARNING, PROBLEM = "ok", "warning", "problem"
LEVELS = (OK, WARNING, PROBLEM)


@dataclass(frozen=True)
class Finding:
    """One line of the screen."""

    check: str
    """What was looked at, in one or two words."""
    level: str
    """OK, WARNING (it runs, and less well than it could) or PROBLEM (it will not run, or not safely)."""
    text: str
    cure: str = ""
    """What to do; "" where nothing is to be done."""


def ok(check: str, text: str) -> Finding:
    """Return a finding that asks for nothing."""
    return Finding(check, OK, text)


def warning(check: str, text: str, cure: str) -> Finding:
    """Return a finding of what costs time or is likely to surprise."""
    return Finding(check, WARNING, text, cure)


def problem(check: str, text: str, cure: str) -> Finding:
    """Return a finding of what makes a run fail."""
    return Finding(check, PROBLEM, text, cure)


def has_problem(findings: Iterable[Finding]) -> bool:
    """Return whether any finding is a problem."""
    return any(finding.level == PROBLEM for finding in findings)
