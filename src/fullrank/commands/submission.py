"""The options of ``fullrank submit``."""

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

AUTO = "auto"
SYSTEM_NAMES = ("slurm", "pbs", "sge", "lsf")


def add_options(parser: ArgumentParser, *, duration: Callable[[str], float], positive: Callable[[str], int]) -> None:
    """Add them to the parser of the command; having ``native``, it leaves what follows ``--`` unread."""
    parser.usage = "%(prog)s [options] CONFIG [-- OPTIONS OF THE BATCH SYSTEM]"
    parser.set_defaults(native=[])
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the study: a TOML file")
    parser.add_argument(
        "--scheduler", choices=SYSTEM_NAMES, help="the batch system (the only one here, or what site.toml says)"
    )
    parser.add_argument(
        "--time",
        type=lambda text: AUTO if text == AUTO else duration(text),
        metavar="TIME",
        help="time limit of the job: 90m, 1h30m or 1:30:00; auto: what a pilot predicts for -n workers, and a margin",
    )
    parser.add_argument(
        "-n",
        "--workers",
        type=positive,
        metavar="P",
        help="for --time auto: how many workers the job will have, or each job of an array",
    )
    parser.add_argument(
        "--here", action="store_true", help="for --time auto: the pilot also on what looks like a cluster's login node"
    )
    parser.add_argument(
        "--array",
        type=positive,
        metavar="N",
        help="N jobs of one node each, which start as there is room, in place of one with MPI",
    )
    parser.add_argument("--name", help="the job's name (the study's)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where the result goes")
    parser.add_argument("--try", dest="tries", action="store_true", help="evaluate item 0 here first")
    parser.add_argument("--dry-run", action="store_true", help="print the script, and queue nothing, nor run a pilot")
