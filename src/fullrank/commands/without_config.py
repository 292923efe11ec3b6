"""``run`` and ``compare`` of a function: the options that say in place of a config what it is called with."""

import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fullrank.errors import UsageError

Named = Callable[[str, str], tuple[str, Any]]
_OPTIONS = ("grid", "zip", "const", "seed", "replicates")
_EXAMPLES = """\
without a config: {prog} FILE.py:FUNCTION --grid NAME=AXIS …; an axis is one of
  --grid r=2.5:4:2000          2,000 floats from 2.5 to 4, equally spaced
  --grid k=log:1e-3:1e3:7      7 floats in geometric progression
  --grid n=range:10:600:5      the integers of Python's range(10, 600, 5)
  --grid x0=0.1,0.2            these values: numbers, true and false, or text
The config that this stands for is written beside the result, and is the study from then on.

{epilog}"""


def add_options(parser: ArgumentParser, *, natural: Callable[[str], int], positive: Callable[[str], int]) -> None:
    """Add the options to the parser of a command."""
    group = parser.add_argument_group("a function without a config")
    repeated = {"action": "append", "default": [], "metavar": "NAME=AXIS"}
    group.add_argument("--grid", help="an axis; every combination of these is an item; repeatable", **repeated)  # type: ignore[arg-type]  # argparse's own keywords
    group.add_argument("--zip", help="an axis that is walked together with the others; repeatable", **repeated)  # type: ignore[arg-type]  # as above
    group.add_argument(
        "--const", action="append", default=[], metavar="NAME=VALUE", help="the same for all items; repeatable"
    )
    group.add_argument("--seed", type=natural, metavar="S", help="of random numbers: each item gets its own from it")
    group.add_argument("--replicates", type=positive, metavar="N", help="each parameter set N times, with other seeds")
    parser.epilog = _EXAMPLES.format(prog=parser.prog, epilog=parser.epilog)


def study_config(arguments: Namespace, *, output: Path | None, writes: bool) -> Any:
    """Return the config that a command is given, or the one that its options stand for.

    That one is the caller's to write, if the command ``writes``; it leads to ``output``.
    """
    from fullrank.config import load
    from fullrank.implied import Asked, config_of, names_function

    what = str(arguments.config)
    if not names_function(what):
        _refuse_options(arguments, what)
        return load(arguments.config, arguments.settings)
    from fullrank.config.option_text import axis_of, constant_of

    grid, zipped = _named(arguments.grid, "--grid", axis_of), _named(arguments.zip, "--zip", axis_of)
    if bool(grid) == bool(zipped):
        raise UsageError(_which_axes(what, came_both=bool(grid)))
    asked = Asked(
        function=what,
        kind="grid" if grid else "zip",
        axes=grid or zipped,
        constants=_named(arguments.const, "--const", constant_of),
        seed=arguments.seed,
        replicates=arguments.replicates,
    )
    return config_of(asked, output, settings=arguments.settings, writes=writes)


def _which_axes(what: str, *, came_both: bool) -> str:
    if came_both:
        return f"{what}: expected axes by --grid (every combination) or by --zip (walked together), got both"
    return (
        f"{what}: expected at least one axis, as in --grid r=2.5:4:2000 or --grid x0=0.1,0.2. "
        f"For a config to fill in: fullrank new --function {shlex.quote(what)}"
    )


def _named(texts: list[str], option: str, read: Named) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in texts:
        name, value = read(option, text)
        if name in found:
            raise UsageError(f"{option} {text}: '{name}' is given twice")
        found[name] = value
    return found


def _refuse_options(arguments: Namespace, what: str) -> None:
    given = [f"--{name}" for name in _OPTIONS if getattr(arguments, name) not in (None, [])]
    if given:
        raise UsageError(
            f"{given[0]} is for a function without a config, as in: fullrank {arguments.command} sim.py:simulate "
            f"{given[0]} …; "
            f"{Path(what).name} says itself what is computed: change it there"
        )
