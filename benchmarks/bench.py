"""Measure fullrank beside its peers, and write RESULTS.md and raw.h5. ``make bench`` calls it; README.md says how."""

import argparse
import shutil
import signal
import sys
import tempfile
import textwrap
import time
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import break_even
import efficiency
import files_opened
import gather
import isolation
import machine
import memory
import overhead
import pages
import rawfile
import scale
import shared_array
import simulated
import startup
import waiting
from harness import Raw, table
from programs import HERE, Bench, ProgramError, warm_up
from studies import write_doing_nothing
from summary import summary

from fullrank.compare.statistics import FEWEST_ROUNDS

SECTIONS: dict[str, ModuleType] = {
    "efficiency": efficiency,
    "break-even": break_even,
    "overhead": overhead,
    "gather": gather,
    "isolation": isolation,
    "startup": startup,
    "files": files_opened,
    "memory": memory,
    "shared": shared_array,
    "scale": scale,
    "simulated": simulated,
    "waiting": waiting,
}
RAW, RESULTS = "raw.h5", "RESULTS.md"
_PAGES = f"{HERE.name}/{RESULTS}, which begins with a table of all verdicts, and the figures of docs/when-not.md"
FORMAT = 2
BUSY_SHARE = 0.05
"""Of the cores for others: beyond this, times are those of the neighbours."""
NOT_JUDGED = "not judged: busy"
N_ROUNDS = 9
"""With nine an interval of 95 % leaves out the greatest and the least; five give none at all."""


def main() -> int:
    """Measure what is asked for; return the exit code: 1 if a measurement failed, 130 if it was stopped."""
    arguments = _arguments()
    if arguments.render:
        return _render_again()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the folder of temporary files is removed then, too
    kept = {} if arguments.quick else _load(HERE / RAW)
    code = machine.state_of_code()  # before anything else: it is what was installed
    cores = machine.keep_to_two_cores(quick=arguments.quick)
    if not arguments.quick:
        _announce(arguments.only, kept)
    with tempfile.TemporaryDirectory(prefix="fullrank-bench-") as folder:
        n_rounds = 2 if arguments.quick else arguments.rounds
        bench = Bench(Path(folder), n_rounds, quick=arguments.quick, tell=_tell)
        warm_up(write_doing_nothing(bench.scratch / "warm-up.toml", 1))
        return _measure_all(arguments.only, bench, machine.facts(bench, cores), code)


def _announce(names: list[str], kept: Raw) -> None:
    """Say what will be measured, and how long that took last time."""
    known = {name: part["seconds"] / 60 for name, part in kept.get("sections", {}).items() if "seconds" in part}
    _tell("minutes that each section took last time:")
    for name in names:
        _tell(f"  {name}: {f'{known[name]:.1f}' if name in known else 'not known'}")
    others = "" if all(name in known for name in names) else ", and those that are not known"
    _tell(f"in all {sum(known.get(name, 0) for name in names):.0f} min{others}")


def _render_again() -> int:
    raw = _load(HERE / RAW)
    if not raw:
        raise ProgramError(f"{RAW}: there is none to render; a run without --quick writes it")
    _write_pages(raw)
    _tell(f"written: {_PAGES}")
    return 0


def _measure_all(names: list[str], bench: Bench, told: Raw, code: Raw) -> int:
    raw: Raw = {"format": FORMAT, "machine": told, "sections": {}}
    print(_shown(_head(told)))
    for name in names:
        _tell(f"--- {SECTIONS[name].TITLE}")
        try:
            part = _measured(name, bench) | code | {"machine": told}
        except KeyboardInterrupt:
            _tell(f"stopped in {name}, of which nothing is kept; {_written(raw['sections'], bench)}")
            return 128 + signal.SIGINT
        print(f"\n{_shown(_section(name, part, told))}", flush=True)
        raw["sections"][name] = part
        if not bench.quick:  # at once: another may fail
            _write(_merged(_load(HERE / RAW), raw))
    _tell(_written(raw["sections"], bench))
    return 1 if any("failed" in part for part in raw["sections"].values()) else 0


def _written(sections: Raw, bench: Bench) -> str:
    """Say which files hold what was measured, and what is missing in it."""
    if bench.quick or not sections:
        return "nothing was written"
    told = f"written: {HERE.name}/{RAW}, {_PAGES}"
    failed = [name for name, part in sections.items() if "failed" in part]
    busy = [name for name, part in sections.items() if "failed" not in part and _is_busy(part)]
    told += f"; not measured: {', '.join(failed)}" if failed else ""
    told += f"; not judged, for others were busy: {', '.join(busy)}" if busy else ""
    return told


def _shown(text: str, width: int | None = None) -> str:
    """Return Markdown for a terminal: paragraphs as lines that fit it, tables as they are.

    >>> _shown("b b b b", 4).splitlines(), _shown("| b b b b |", 4)
    (['b b', 'b b'], '| b b b b |')
    """
    width = width or min(100, shutil.get_terminal_size().columns)
    blocks = text.split("\n\n")
    return "\n\n".join(
        block if block.startswith(("|", "- ")) else "\n".join(textwrap.wrap(block, width)) for block in blocks
    )


def _measured(name: str, bench: Bench) -> Raw:
    """Return the section's values, or the day on which it failed, which does not keep others from being measured."""
    date = datetime.now(UTC).date().isoformat()
    begun = time.monotonic()
    try:
        raw = SECTIONS[name].measure(bench)
    except ProgramError as error:
        _tell(f"not measured: {error}")
        return {"failed": date}
    except Exception:
        _tell(f"not measured: {traceback.format_exc()}")
        return {"failed": date}
    return {"date": date, "raw": raw, "seconds": round(time.monotonic() - begun, 1)}


def _write(raw: Raw) -> None:
    render(raw)  # before anything is written: raw values that make no page replace none that do
    rawfile.save(HERE / RAW, raw)
    _write_pages(raw)


def _write_pages(raw: Raw) -> None:
    (HERE / RESULTS).write_text(render(raw) + "\n")
    pages.WHEN_NOT.write_text(pages.written(pages.WHEN_NOT.read_text("utf-8"), raw["sections"]), "utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure fullrank beside its peers.")
    parser.add_argument(
        "--only",
        type=_sections,
        default=list(SECTIONS),
        metavar="A,B",
        help=f"only these: {', '.join(SECTIONS)}; RESULTS.md keeps the others",
    )
    parser.add_argument("--rounds", type=_rounds, default=N_ROUNDS, help=_help_of_rounds())
    parser.add_argument("--quick", action="store_true", help="few items, two rounds, nothing written: does it work?")
    parser.add_argument("--render", action="store_true", help=f"write {RESULTS} again from {RAW}; measure nothing")
    return parser.parse_args()


def _sections(text: str) -> list[str]:
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in SECTIONS:
            raise argparse.ArgumentTypeError(f"expected some of {', '.join(SECTIONS)}, got {name!r}")
    return names


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < FEWEST_ROUNDS:
        raise argparse.ArgumentTypeError(
            f"expected a whole number from {FEWEST_ROUNDS} on, for fewer rounds give no interval of 95 %, got {text}"
        )
    return int(text)


def _help_of_rounds() -> str:
    limits = {name: module.N_ROUNDS for name, module in SECTIONS.items() if hasattr(module, "N_ROUNDS")}
    least = limits.pop("startup", None)
    text = f"rounds ({N_ROUNDS}), at least {FEWEST_ROUNDS}; "
    text += "".join(f"{name} takes {number} at most, " for name, number in limits.items())
    text += f"startup {least} at least, " if least else ""
    return f"{text}files one"


def _tell(text: str) -> None:
    sys.stderr.write(f"{datetime.now():%H:%M:%S} {text}\n")


def _load(path: Path) -> Raw:
    """Return what is kept, {} if nothing is; raises ProgramError for a file that is none of this format."""
    if not path.exists():
        return {}
    try:
        found: Raw = rawfile.load(path)
        fault = "" if found.get("format") == FORMAT else f"its format is {found.get('format')}, not {FORMAT}"
    except OSError as error:
        fault = f"it cannot be read ({error})"
    if fault:
        raise ProgramError(
            f"{path.name}: expected the HDF5 file that a run without --quick writes, and {fault}; "
            "put back what is committed, or delete it to begin anew"
        )
    return found


def _merged(old: Raw, new: Raw) -> Raw:
    """Return the new measurements and all others of old, each with the machine it was made on.

    Where measuring a section failed, its earlier values stay, and the day of the failure is put to them.
    """
    if not old:
        return new
    sections = {name: _placed(part, old["machine"], new["machine"]) for name, part in old["sections"].items()}
    for name, part in new["sections"].items():
        if "failed" not in part:
            sections[name] = part
        else:
            sections[name] = sections.get(name, {}) | {"failed": part["failed"]}
    return new | {"sections": sections}


def _placed(part: Raw, of_page: Raw, of_new_page: Raw) -> Raw:
    """Return a section that says on which machine it was measured; old ones leave it to their page."""
    return part if "machine" in part or of_page == of_new_page else part | {"machine": of_page}


def render(raw: Raw) -> str:
    """Return the report as Markdown, from what was kept alone."""
    page = raw["machine"]
    sections = [_section(name, raw["sections"][name], page) for name in SECTIONS if name in raw["sections"]]
    return "\n\n".join([_head(page), summary(sections), *sections])


def _head(told: Raw) -> str:
    facts = f"{', '.join(machine.spelled(told).values())}."
    if machine.has_free_fsync(told):
        facts += (
            " **These files stood in memory, where it costs nothing to wait until they are safe: measure again with "
            "TMPDIR on a disk.**"
        )
    return "\n\n".join(
        [
            "# What was measured",
            facts,
            "[README.md](README.md) says how `make bench` measures this and what the words mean. A section says "
            "of which commit it is, and its machine and versions as far as they are others than these.",
            "A verdict needs the whole interval on one side of what is asked: *holds* or *DOES NOT HOLD*, else *not "
            "resolved*. Each is right with 95 % by itself, not all of them together: of twenty verdicts one may be "
            "wrong by chance. Sections that judge few rounds by the worst one say so, and of those no confidence is "
            f"known. Where other programs used more than {100 * BUSY_SHARE:.0f} % of the cores nothing is judged.",
        ]
    )


def _section(name: str, part: Raw, page: Raw) -> str:
    module = SECTIONS[name]
    texts = [f"## {module.TITLE}"]
    if "failed" in part:
        older = "the figures are those of an earlier day" if "raw" in part else "there are no earlier figures"
        texts.append(f"**Not measured on {part['failed']}**: it failed; {older}.")
    if "raw" in part:
        report = module.report(part["raw"])
        texts += [_conditions(part, page), _withheld(report) if _is_busy(part) else report]
    return "\n\n".join(texts)


def _conditions(section: Raw, page: Raw) -> str:
    """Say when and of which code it was measured, where, and what else went on."""
    shares = _shares_of_others(section)
    restarts = [name for part in _parts(section) for name in part.get("restarts", ())]
    text = f"Measured {section['date']}"
    if "commit" in section:  # not in raw values of old, like all that is asked for here
        text += f" of commit {section['commit']}"
        text += " **with changes that are not in it**" if section["has_changes"] else ""
    if n_rounds := _numbers_of_rounds(section):
        text += f", {' and '.join(map(str, n_rounds))} rounds"
    if "seconds" in section:
        seconds = section["seconds"]
        text += f", which took {seconds / 60:.1f} min" if seconds >= 60 else f", which took {seconds:.0f} s"
    if elsewhere := machine.beyond(section.get("machine", {}), page):
        text += f", on another machine or with other versions ({', '.join(elsewhere)})"
    if shares:
        text += f"; meanwhile other programs used {100 * max(shares):.1f} % of the cores"
    if _is_busy(section):
        text += " (**too much for verdicts: measure again**)"
    if restarts:
        text += f"; failed and were started once more: {', '.join(restarts)}"
    return f"{text}."


def _parts(section: Raw) -> list[Raw]:
    """Return where rounds may have left what disturbed them."""
    return [section["raw"], *(part for part in section["raw"].values() if isinstance(part, dict))]


def _numbers_of_rounds(section: Raw) -> list[int]:
    """Return how many rounds there were, of each part of a section; in ascending order, equal ones once."""
    samples = [part["samples"] for part in _parts(section) if part.get("samples")]
    return sorted({max(map(len, of_part.values())) for of_part in samples if isinstance(of_part, dict)})


def _shares_of_others(raw: Raw) -> list[float]:
    """Return the shares that rounds have left at any depth: those before the first round too."""
    own = [raw["others_share"]] if "others_share" in raw else []
    return own + [share for part in raw.values() if isinstance(part, dict) for share in _shares_of_others(part)]


def _is_busy(section: Raw) -> bool:
    return max(_shares_of_others(section), default=0) > BUSY_SHARE


def _withheld(report: str) -> str:
    """Return a report whose tables have no verdicts: in their place stands why.

    It is done here, and not where sections judge, so that no section can forget it.
    """
    return "\n\n".join(
        _without_verdicts(block.splitlines()) if block.startswith("| ") else block for block in report.split("\n\n")
    )


def _without_verdicts(lines: Sequence[str]) -> str:
    heads, _, *rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]
    columns = {number for number, head in enumerate(heads) if "verdict" in head}
    told = [[NOT_JUDGED if cell and number in columns else cell for number, cell in enumerate(row)] for row in rows]
    return table(heads, told)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ProgramError as error:
        sys.exit(f"bench: {error}")
