"""Parsers of commands that are made when they are needed."""

import argparse
from typing import Any

import pytest

from fullrank.arguments import parser
from fullrank.errors import UsageError


@pytest.fixture
def _looking_argparse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have argparse look at a command's parser as soon as it has it, as versions of it do."""
    add_parser = argparse._SubParsersAction.add_parser

    def add_and_look(self: Any, name: str, **settings: Any) -> Any:
        added = add_parser(self, name, **settings)
        assert added.prog == f"fullrank {name}"
        assert added._get_formatter()
        return added

    monkeypatch.setattr(argparse._SubParsersAction, "add_parser", add_and_look)


@pytest.mark.usefixtures("_looking_argparse")
def test_commands_are_read_whenever_argparse_looks_at_their_parsers() -> None:
    found = parser().parse_args(["run", "study.toml", "-n", "4"])
    assert (found.command, found.module, found.workers) == ("run", "fullrank.commands.run", 4)
    with pytest.raises(UsageError, match="fullrank status --help"):
        parser().parse_args(["status"])


def test_a_parser_has_nothing_that_parsers_have_not() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = parser().nonsense  # type: ignore[attr-defined]
