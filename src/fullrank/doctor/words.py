"""An examination in words, and as JSON."""

from collections.abc import Iterator
from typing import Any

from fullrank.dataclass import asdict
from fullrank.doctor.examine import Examination
from fullrank.doctor.finding import LEVELS, Finding
from fullrank.doctor.judge_ranks import alike
from fullrank.report.layout import counted, printable, wrapped

N_GROUPS_LISTED = 20
"""Of ranks that are alike."""


def lines(found: Examination, *, width: int) -> Iterator[tuple[str, str]]:
    """Yield the lines of the screen, each with the level that it begins with, "" if with none."""
    n_columns = max(len(finding.check) for finding in found.findings)
    for finding in found.findings:
        yield from _of_finding(finding, n_columns, width)
    groups = list(alike(found.ranks))
    for group in groups[:N_GROUPS_LISTED]:
        yield "", printable(group)
    if len(groups) > N_GROUPS_LISTED:
        yield "", f"and {len(groups) - N_GROUPS_LISTED} more groups of ranks"
    yield "", _summary(found)


def text(found: Examination, *, width: int = 100) -> str:
    """Spell the screen as plain text; it ends with a line feed."""
    return "".join(f"{line}\n" for _, line in lines(found, width=width))


def _of_finding(finding: Finding, n_columns: int, width: int) -> Iterator[tuple[str, str]]:
    level_columns = max(map(len, LEVELS))
    head = f"{finding.level:<{level_columns}}  {finding.check:<{n_columns}}  "
    indent = " " * len(head)
    paragraphs = finding.text.split("\n")
    for number, paragraph in enumerate(paragraphs):
        for part, line in enumerate(wrapped(head if number == 0 else indent, paragraph, width, cuts_words=False)):
            yield finding.level if number == part == 0 else "", printable(line)
    if finding.cure:
        for line in wrapped(f"{indent}cure: ", finding.cure, width, cuts_words=False):
            yield "", printable(line)


def _summary(found: Examination) -> str:
    counts = {level: sum(finding.level == level for finding in found.findings) for level in LEVELS[1:]}
    told = [counted(n, level) for level, n in counts.items() if n]
    return f"{found.host}: {', '.join(told) or 'nothing to mend'}"


def to_dict(found: Examination) -> dict[str, Any]:
    """Return the same as plain data."""
    return {
        "host": found.host,
        "has_problem": found.has_problem,
        "findings": [asdict(finding) for finding in found.findings],
        "ranks": [asdict(rank) for rank in found.ranks],
    }
