"""Reading a TOML file, with syntax errors told so that a first-time user finds the cure."""

import re
import tomllib
from pathlib import Path
from typing import Any

from fullrank.errors import ConfigError
from fullrank.files import missing, not_utf8

_HINTS = {
    "Invalid value": 'text stands in quotes: "…"; true and false are lower case',
    "Invalid statement": "expected [table] or key = value",
    "Expected '=' after": "expected [table] or key = value",
    "Expected newline": "expected one key = value on each line, text in quotes",
    "Cannot overwrite": "this key or table stands twice",
    "Cannot declare": "this table stands twice",
    "Unclosed array": "expected , or ] after each value",
    "Unclosed inline table": "expected , or } after each value",
    "Invalid hex value": "write folders with / instead of \\",
    "Unescaped '\\'": "write folders with / instead of \\",
    "Expected ']'": "a table's header is closed with ]",
    "Expected": "a quote or bracket is not closed",
}
_INLINE_TABLE_ERRORS = ("Invalid initial character for a key part", "Unclosed inline table")
_STRING_COMMENT_OR_BRACKET = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|[{}\[\]]',
    re.DOTALL,
)


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Exact text and content of a TOML file; ConfigError if there is none."""
    text = _read_text(path)
    if path.suffix == ".py":
        raise ConfigError(
            f"{path}: this is a Python file; expected the study's TOML file, which names a function of it. "
            f"Without one: fullrank run {path}:FUNCTION --grid NAME=START:STOP:NUM"
        )
    return text, parse_toml(text, path)


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """Return the content of ``text``, which stands in ``path``; ConfigError if it is no TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {_reworded(str(error), text.replace(chr(13), ''))}") from None
    except RecursionError:
        raise ConfigError(f"{path}: lists or tables are nested too deeply") from None
    except ValueError:  # Python's limit on the digits of an integer
        raise ConfigError(f"{path}: expected integers of fewer than 4300 digits") from None


def _read_text(path: Path) -> str:
    problem = missing(path, ".toml")
    if problem is not None:
        raise ConfigError(f"{path}: {problem}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: {not_utf8(data)}; save the file as UTF-8") from None


def _reworded(error: str, text: str) -> str:
    reason, _, where = error.rpartition(" (at ")
    lines = text.split("\n")
    if found := re.match(r"line (\d+), column (\d+)", where):
        line, column = int(found[1]), int(found[2])
    else:  # "end of document"
        line = len(text.rstrip().split("\n"))
        column = len(lines[line - 1]) + 1
    offset = sum(len(passed) + 1 for passed in lines[: line - 1]) + column - 1
    if reason.startswith(_INLINE_TABLE_ERRORS) and (cure := _inline_table(text, offset)):
        return f"line {line}: {cure}"
    hint = next((hint for start, hint in _HINTS.items() if reason.startswith(start)), "")
    shown = lines[line - 1].strip()[:60]
    return f"line {line}, column {column}: {reason} in {shown!r}{hint and '; ' + hint}"


def _inline_table(text: str, offset: int) -> str:
    """What is wrong with the inline table that is open at ``offset``; "" if nothing known."""
    brace = _open_brace(text[:offset])
    rest = text[offset:].lstrip(" \t")
    if brace is None or not rest:
        return ""
    if rest[0] == "}":
        return "expected no comma before the } of an inline table"
    if rest[0] not in "\n#":
        return ""
    key = _key_before(text[:brace])
    return (
        "an inline table { … } has to stand on one line; "
        f"put it on one, or write a table of its own, [{key}], with one key = value on each line"
    )


def _open_brace(text: str) -> int | None:
    """Offset of the innermost bracket that is open at the end of ``text``, if it is a {."""
    is_open: list[int] = []
    for token in _STRING_COMMENT_OR_BRACKET.finditer(text):
        if token[0] in "{[":
            is_open.append(token.start())
        elif token[0] in "}]" and is_open:
            is_open.pop()
    return is_open[-1] if is_open and text[is_open[-1]] == "{" else None


def _key_before(text: str) -> str:
    """Full key of the inline table that starts where ``text`` ends."""
    headers = re.findall(r"^[ \t]*\[([^\[\]\n]+)\]", text, re.MULTILINE)
    key = re.search(r"([\w.\"'-]+)\s*=\s*$", text)
    return ".".join([*headers[-1:], key[1] if key else "NAME"])
