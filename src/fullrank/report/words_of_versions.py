"""Which version of the code made which items, in words."""

from collections.abc import Iterator, Sequence

from fullrank.report.facts import Report
from fullrank.report.layout import counted, wrapped
from fullrank.versions import CodeVersion

N_VERSIONS_LISTED = 10


def versions_section(found: Report, width: int) -> Iterator[str]:
    """Yield a line for each version of the code, if there was more than one."""
    versions = found.versions
    if not versions:
        return
    yield _heading(versions)
    for version in versions[:N_VERSIONS_LISTED]:
        made = f"{_made(version)}{_since(version)}"
        yield from wrapped(f"  {_named(version)}  ", made, width)
    if len(versions) > N_VERSIONS_LISTED:
        yield f"  and {len(versions) - N_VERSIONS_LISTED:,} more"


def versions_in_a_line(versions: Sequence[CodeVersion]) -> str:
    """Return the same without what has changed, "" for one version alone."""
    if not versions:
        return ""
    each = [f"{_named(version)}: {_made(version)}" for version in versions[:N_VERSIONS_LISTED]]
    more = [f"and {len(versions) - N_VERSIONS_LISTED:,} more"] * (len(versions) > N_VERSIONS_LISTED)
    return f"{_heading(versions).lower()}: {'; '.join([*each, *more])}"


def _heading(versions: Sequence[CodeVersion]) -> str:
    return f"Made by {counted(sum(version.n_items > 0 for version in versions), 'version')} of the code"


def _named(version: CodeVersion) -> str:
    return f"version {version.version}" if version.version >= 0 else "version unknown"


def _made(version: CodeVersion) -> str:
    if not version.n_items:
        return "no item"
    spans = [str(first) if first == last else f"{first} to {last}" for first, last in version.spans]
    return f"{counted(version.n_items, 'item')} ({', '.join(spans)}{', …' * (version.n_spans > len(spans))})"


def _since(version: CodeVersion) -> str:
    return f"; since the version before: {'; '.join(version.changes)}" if version.changes else ""
