"""``fullrank selftest``."""

import json
import sys
from argparse import Namespace
from typing import Any


def selftest(arguments: Namespace, _crew: Any) -> int:
    """``fullrank selftest``: 0 if nothing was lost, 70 if something was."""
    from fullrank.errors import FullrankError
    from fullrank.interrupt import interruptible
    from fullrank.selftest import selftest as kill_and_count

    def tell(sentence: str) -> None:
        sys.stderr.write(f"fullrank: {sentence}\n")

    with interruptible():
        figures = kill_and_count(arguments.kills, arguments.dir, seed=arguments.seed, tell=tell)
    sys.stdout.write(json.dumps(figures.to_dict()) + "\n" if arguments.json else figures.text())
    return 0 if figures.holds else FullrankError.exit_code
