"""The command that evaluates one item again, which every message of a failure ends with."""

import shlex
from collections.abc import Sequence


def item_command(config_path: str, index: int, settings: Sequence[str] = ()) -> str:
    """Return the command for item ``index`` of the study at ``config_path``, with its ``--set KEY=VALUE``.

    >>> item_command("my study.toml", 412, ["run.order=index"])
    "fullrank run 'my study.toml' --set run.order=index --item 412"
    """
    return shlex.join(["fullrank", "run", config_path, *set_options(settings), "--item", str(index)])


def set_options(settings: Sequence[str]) -> list[str]:
    """Return the words of the command line that set these keys."""
    return [word for setting in settings for word in ("--set", setting)]
