"""Asked by doctor, in a process of its own: the study's config and function, as a run would load them."""

import sys
import time
from pathlib import Path

from fullrank.doctor.judge_machine import SLOW_IMPORT_SECONDS


def main() -> None:
    """Answer for the config, and the output ("": its own), that the command line names: first of the file alone."""
    from fullrank.doctor.answering import teller
    from fullrank.gil import gil_state, watch_gil

    tell = teller()
    watch_gil()
    from fullrank.config import load
    from fullrank.errors import FullrankError
    from fullrank.slow_import import told_if_slow
    from fullrank.study import open_study, output_path

    config_path, output = sys.argv[1:3]
    try:
        config = load(Path(config_path))
        tell({"output": str(output_path(config, Path(output) if output else None)), "n_items": config.sweep.n_items})
        begun = time.perf_counter()
        with told_if_slow(
            config.workload.function, lambda note: tell({"note": note}), after_seconds=SLOW_IMPORT_SECONDS
        ):
            open_study(config)
        tell({"seconds": time.perf_counter() - begun, "gil": gil_state()})
    except FullrankError as error:
        tell({"refusal": str(error)})


if __name__ == "__main__":
    main()
