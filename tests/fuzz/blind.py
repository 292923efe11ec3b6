"""Feeds samples that are changed blindly; started by ``part.py``."""

from collections.abc import Callable

from count import Count
from last import Last
from part import Part, program
from runner import Runner
from targets import TARGETS


def feed(part: Part, last: Last, leave: Callable[[Count], None]) -> None:
    """Feed the part's target."""
    leave(Runner(part.seed, last).run(TARGETS[part.target], part.go_on))


if __name__ == "__main__":
    program(feed)
