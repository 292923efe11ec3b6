"""The options that ``fullrank plan`` alone has."""

from argparse import ArgumentParser
from pathlib import Path

from fullrank.commands import without_config
from fullrank.option_values import duration, natural, positive

DEFAULT_PILOT_SECONDS = 60.0


def add_options(parser: ArgumentParser) -> None:
    """Add them to the command's parser."""
    parser.add_argument(
        "config", type=Path, metavar="CONFIG|FUNCTION", help="the study: a TOML file; or FILE.py:FUNCTION"
    )
    parser.add_argument(
        "-n", "--workers", type=_counts, required=True, metavar="N,…", help="numbers of workers to predict for"
    )
    parser.add_argument(
        "--pilot",
        type=duration,
        default=DEFAULT_PILOT_SECONDS,
        metavar="TIME",
        help="how long the pilot may take, which evaluates items of the study on all usable cores here: 90s, 5m (60)",
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="where the result goes")
    without_config.add_options(parser, natural=natural, positive=positive)


def _counts(text: str) -> list[int]:
    return [positive(part.strip()) for part in text.split(",")]
