"""The commands that read what runs left: status, report, gather, verify, diff."""

import json
import shlex
import sys
from argparse import Namespace
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from fullrank.commands.compare import is_report_of_comparison
from fullrank.commands.pictures import check_pictures, refuse_own_files, write_pictures
from fullrank.console import TerminalConsole, tell
from fullrank.errors import OutputError, StorageError

N_UNKNOWN_LISTED = 10


def status(arguments: Namespace, _crew: Any) -> int:
    """``fullrank status``."""
    from fullrank.implied import named_study
    from fullrank.standing import standing

    arguments.study = named_study(arguments.study, arguments.output)
    if arguments.watch is not None or arguments.until_complete:
        from fullrank.commands.watch import watch

        found = watch(arguments)
        return found.exit_code if arguments.exit_code else 0
    found = standing(arguments.study, arguments.output)
    if arguments.json:
        sys.stdout.write(json.dumps(found.to_dict()) + "\n")
    else:
        sys.stdout.write(found.text() + "\n")
    return found.exit_code if arguments.exit_code else 0


def report(arguments: Namespace, _crew: Any) -> int:
    """``fullrank report``."""
    from fullrank.console import output_columns
    from fullrank.implied import named_study
    from fullrank.report import report as make_report
    from fullrank.report import text

    arguments.files = [named_study(path, None) for path in arguments.files]
    check_pictures(arguments)
    if is_report_of_comparison(arguments):
        return 0
    results = [result_of(path) for path in arguments.files]
    refuse_own_files(arguments, arguments.files[0], results[0])
    reports = [make_report(result) for result in results]
    written = write_pictures(arguments, reports[0])
    if arguments.json:
        shown = [made.to_dict() for made in reports]
        sys.stdout.write(json.dumps(shown if len(shown) > 1 else shown[0], indent=2) + "\n")
    else:
        sys.stdout.write("\n".join(text(made, width=output_columns()) for made in reports))
        sys.stdout.write(written)
    return 0


def result_of(path: Path) -> Path:
    """Return the result file that is meant: a config's, if a config is named; say so if it is not finished.

    If it is, and a newer attempt of that config is half-way, tell so on standard error.
    """
    from fullrank.standing import output_of
    from fullrank.workfolder import WorkFolder

    result = output_of(path, None)
    is_begun = WorkFolder(result).has_study
    if is_begun and result.exists() and path.suffix == ".toml":
        _tell_newer(path, result)
    if is_begun and not result.exists():
        raise OutputError(
            f"{result}: not finished yet; see how far it is with: fullrank status {path}, "
            f"or write what is there with: fullrank gather {path} --partial"
        )
    return result


def _tell_newer(study: Path, result: Path) -> None:
    """Tell which file is read, and how far a newer attempt is, if there is one."""
    from fullrank.standing import standing

    with suppress(StorageError):  # what is read is the result
        found = standing(study)
        if found.goes_beyond_result:
            newer = (
                f"{'is running' if found.holder else 'was stopped'} at {found.n_finished:,} of {found.n_items:,} items"
            )
            status = shlex.join(["fullrank", "status", str(study)])
            tell(f"fullrank: this is {result}, the last complete result; a newer attempt {newer}: {status}\n")


def gather(arguments: Namespace, _crew: Any) -> int:
    """``fullrank gather``."""
    from fullrank.implied import named_study
    from fullrank.partial import gather as gather_finished

    study = named_study(arguments.study, arguments.output)
    with closing(TerminalConsole(quiet=True)) as console:
        written = gather_finished(study, arguments.output, partial=arguments.partial, console=console)
    if arguments.json:
        sys.stdout.write(json.dumps(written.to_dict()) + "\n")
    else:
        sys.stdout.write(written.text() + "\n")
    return 0


def verify(arguments: Namespace, _crew: Any) -> int:
    """``fullrank verify``."""
    from fullrank.dataclass import asdict
    from fullrank.report.layout import counted
    from fullrank.report.words_of_versions import versions_in_a_line
    from fullrank.store import ResultFile, examine
    from fullrank.versions import versions_of

    code, shown = 0, []
    for path in arguments.files:
        try:
            summary, contents = examine(path)
            with ResultFile(path) as file:
                versions = versions_of(file)
        except OutputError as error:
            code = error.exit_code
            shown.append({"file": str(path), "error": str(error)})
            if not arguments.json:
                tell(f"fullrank: error: {error}\n")
            continue
        made = {"versions": [asdict(version) for version in versions]}
        shown.append({"file": str(path)} | asdict(summary) | asdict(contents) | made)
        if not arguments.json:
            by = f"  {line}\n" if (line := versions_in_a_line(versions)) else ""
            whole = "complete" if summary.complete else f"partial: {counted(summary.n_missing, 'item')} missing"
            sys.stdout.write(
                f"{path}: {whole}, true to its digests; {summary.n_ok:,} of {summary.n_items:,} items ok\n"
                f"  results_sha256 {summary.results_sha256}\n{by}  {_in_words(contents)}\n"
            )
    if arguments.json:
        sys.stdout.write(json.dumps(shown) + "\n")
    return code


def _in_words(contents: Any) -> str:
    """Return what was read, and what of it this version does not know; the names may be a stranger's."""
    from fullrank.report.layout import counted, listed, printable

    numbers = {"group": contents.n_groups, "dataset": contents.n_datasets, "attribute": contents.n_attributes}
    read = "read to the end: " + ", ".join(counted(n, noun) for noun, n in numbers.items())
    if not contents.unknown:
        return read
    unknown = printable(listed(contents.unknown, N_UNKNOWN_LISTED))
    return f"{read}; not known to this version of fullrank: {unknown}"


def diff(arguments: Namespace, _crew: Any) -> int:
    """``fullrank diff``: 0 if equal, 1 if not."""
    from fullrank.store import differences

    found = differences(arguments.first, arguments.second, rtol=arguments.rtol)
    if arguments.json:
        sys.stdout.write(json.dumps({"equal": not found, "differences": found}) + "\n")
    elif found:
        sys.stdout.write("\n".join(found) + "\n")
    else:
        how = "to the last bit" if arguments.rtol == 0 else f"within a relative tolerance of {arguments.rtol:g}"
        sys.stdout.write(f"equal {how}: {arguments.first} and {arguments.second}\n")
    return 1 if found else 0
