"""Digest of a function's code: what counts as a change, and which files belong to it."""

import ast
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullrank.codebase import digest, roots_of, sources
from fullrank.errors import FunctionError


def digests(function_file: Path, roots: list[Path]) -> dict[str, str]:
    return {name: source.digest for name, source in sources(function_file, roots).items()}


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write ``files`` below ``folder`` and return the path of the first."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return folder / next(iter(files))


def code_of(text: str) -> str:
    return digest(ast.parse(dedent(text)))


PLAIN = """
    def simulate(r, x0=0.5):
        x = x0
        for _ in range(100):
            x = r * x * (1 - x)
        return x
"""

SAME = """
    # a comment
    '''A module.'''
    def simulate(r, x0 = 0.5) :
        '''What it does.'''
        x = x0; "a text nobody reads"
        for _ in range( 100 ):   # a hundred times

            x = (r * x
                 * (1 - x))
        return (x)
"""


def test_comments_docstrings_and_layout_do_not_count() -> None:
    assert code_of(SAME) == code_of(PLAIN)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("100", "101"),
        ("(1 - x)", "(1.0 - x)"),
        ("x0=0.5", "x0=0.25"),
        ("x0=0.5", "*, x0=0.5"),
        ("return x", "return r"),
        ("return x", "return"),
        ("r * x", "r ** x"),
    ],
)
def test_a_change_of_what_runs_counts(old: str, new: str) -> None:
    assert code_of(PLAIN.replace(old, new)) != code_of(PLAIN)


@pytest.mark.parametrize(
    "different",
    [
        ("x = 1", "x = 1.0", "x = True", "x = '1'", "x = b'1'", "x = 1j", "x = None", "x = ..."),
        ("x = 'a'", "x = 'b'", "x = f'a{b}'", "x = f'{b}a'", "x = f'{b!r}a'", "x = f'{b:a}'"),
        ("f(a, b)", "f(a)(b)", "f((a, b))", "f([a, b])", "f(a, b=b)", "f(a, *b)", "f(a, **b)"),
        ("x[1:]", "x[:1]", "x[::1]", "x[1]"),
        ("{**a, 'b': c}", "{'b': c, **a}"),
        ("def f(*, a, b=1): pass", "def f(*, a=1, b): pass", "def f(a, /, b=1): pass"),
        ("from a import b", "from .a import b", "from ..a import b", "import a.b"),
        ("if a: b\nelse: c", "if a: c\nelse: b", "while a: b\nelse: c", "if a: pass\nb\nc"),
        ("async def f(): await g()", "def f(): g()"),
        ("x: int = 1", "(x): int = 1", "x: float = 1"),
    ],
)
def test_programs_that_differ_have_digests_that_differ(different: tuple[str, ...]) -> None:
    assert len({code_of(text) for text in different}) == len(different)


STABLE = r'''
"""Everything whose tree differs, or might, between versions of Python."""
from __future__ import annotations
import os, sys as system
from . import sibling
from ..pkg import *

@decorated(1, key="word")
class Point(Base, metaclass=Meta):
    """Docstring
        with an indent."""
    x: int = 0
    """Below an attribute."""
    (y): float

async def walk(a, /, b: list[int] = [], *args: int, c, d=None, **kwargs) -> None:
    async with lock as held, other:
        async for item in stream: yield item
        return_ = [i async for i in s if await i for j in i]

def texts(x, w, p):
    return ("a" f"b{x}" "c" f"{x!r:>{w}.{p}f}d" f"{x=}" f"{x = !s:}" f"{{}}" rf"\d{x}\n"
            f"{x:%Y-%m-%d}" f"{'nested'}" f"{f'{x}'}" u"unicode"
            f"""{
            x}""" f"plain" "\ud800\N{BULLET}" f"{x:{w}}{x!a}" f"{lambda_(1)}")

def numbers():
    return b"\x00\xff", 1_000, 0xFF, 10**4300, -1, 1e999, 1e-400, -0.0, 2.5e-3j, ..., None, True

def flow(x):
    global g
    try:
        with open(x) as a, open(a): pass
    except* (OSError, ValueError) as e: raise X from e
    else: del x[0], x.y
    finally: assert x, "message"
    match x:
        case {"k": [1, *rest], **others} if rest: pass
        case Point(0, y=1) | None | -1 | "s" as z: pass
        case _: pass
    return (lambda *a, k=1, **kw: (yield))(*x, **{**x, "k": x[1:2, ::3, ...]})

if (n := len([1, 2])) > 1 and not n or n is not None: n += 1 if n else 2
else: x = y = {*()}, {k: v for k, v in x}, (*a, b), a @ b, ~a, a < b <= c not in d
'''
BIG = "\nx = " + " + ".join(f"a{i}" for i in range(900)) + "\n"


def test_the_digest_is_the_same_on_every_version_of_python() -> None:
    # computed once; whichever Python runs this test must find it again
    expected = "a71bbf577c03f5317165e7b5a4238858c3a8467497dddf1c02bc3821698815c8"
    assert code_of(STABLE + BIG) == expected


@pytest.mark.parametrize("module", ["argparse", "dataclasses", "fractions", "statistics", "typing"])
def test_code_that_python_writes_from_the_tree_has_the_same_digest(module: str) -> None:
    tree = ast.parse(Path(sys.modules["os"].__file__ or "").with_name(f"{module}.py").read_text())
    assert digest(ast.parse(ast.unparse(tree))) == digest(tree)


@given(st.lists(st.text(alphabet="ab'\"\\{}\n", max_size=3), min_size=1, max_size=4))
def test_a_text_written_in_pieces_is_the_text(pieces: list[str]) -> None:
    whole = "".join(pieces)
    assert code_of(f"x = ({' '.join(map(repr, pieces))})") == code_of(f"x = {whole!r}")


def test_the_neighbours_a_file_imports_belong_to_it(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        {
            "sim.py": """
                import math, numpy
                import model
                from pkg import helper, G
                def simulate(r):
                    from late import f
                    return f(r)
                try:
                    import fast.inner
                except ImportError:
                    pass
            """,
            "model.py": "from deeper import y",
            "deeper.py": "import sim",
            "late.py": "def f(r): return r",
            "pkg/__init__.py": "G = 9.81",
            "pkg/helper.py": "from . import sub\nfrom .sub.a import x\nfrom .. import no",
            "pkg/sub/__init__.py": "",
            "pkg/sub/a.py": "from ..other import z",
            "pkg/other.py": "z = 1",
            "fast/inner.py": "1",
            "nobody.py": "",
            "pkg/nobody.py": "",
        },
    )
    assert list(digests(file, [tmp_path])) == [
        "deeper.py",
        "fast/inner.py",
        "late.py",
        "model.py",
        "pkg/__init__.py",
        "pkg/helper.py",
        "pkg/other.py",
        "pkg/sub/__init__.py",
        "pkg/sub/a.py",
        "sim.py",
    ]


def test_the_files_found_are_the_files_python_loads(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        {
            "sim.py": "import a.b.c\nfrom ns.m import x\nimport both\nfrom a import d",
            "a/__init__.py": "from .e import *",
            "a/b/__init__.py": "",
            "a/b/c.py": "from ..b import f",
            "a/b/f.py": "",
            "a/d.py": "from .b import c as g",
            "a/e.py": "",
            "ns/m.py": "x = 1",
            "both/__init__.py": "",
            "both.py": "",
        },
    )
    script = (
        "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, '.'); import sim\n"
        "print(*(m.__file__ for m in list(sys.modules.values()) if getattr(m, '__file__', None)))"
    )
    answer = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = {Path(name) for name in answer.stdout.split()}
    mine = {path.relative_to(tmp_path).as_posix() for path in loaded if tmp_path in path.parents}
    assert set(digests(file, [tmp_path])) == mine


def test_only_the_file_that_changed_has_another_digest(tmp_path: Path) -> None:
    file = write(tmp_path, {"sim.py": "import a, b", "a.py": "x = 1", "b.py": "x = 1"})
    before = digests(file, [tmp_path])
    write(tmp_path, {"a.py": "x = 2", "b.py": "x = 1  # as before"})
    after = digests(file, [tmp_path])
    assert {name for name in before if before[name] != after[name]} == {"a.py"}


def test_a_study_that_is_moved_keeps_its_digests(tmp_path: Path) -> None:
    files = {"src/sim.py": "import tools", "src/tools.py": "x = 1"}
    here, there = tmp_path / "here", tmp_path / "there"
    found = [digests(write(folder, files), [folder, folder / "src"]) for folder in (here, there)]
    assert found[0] == found[1]
    assert list(found[0]) == ["src/sim.py", "src/tools.py"]


def test_the_first_root_that_has_a_module_gives_it(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        {"code/sim.py": "import tools", "code/tools.py": "x = 1", "study/tools.py": "x = 2"},
    )
    found = digests(file, [tmp_path / "study", tmp_path / "code"])
    assert found["tools.py"] == code_of("x = 2")


def test_files_of_the_same_name_in_two_roots_both_count(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        {"code/sim.py": "import a.sim", "study/a/sim.py": "import sim", "study/sim.py": ""},
    )
    found = digests(file, [tmp_path / "study", tmp_path / "code"])
    assert list(found) == ["a/sim.py", "sim.py", "study/sim.py"]


def test_an_installed_package_is_followed_by_its_own_name(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        {
            "site/pkg/science/sim.py": "from pkg.tools import t\nimport other\nfrom . import near",
            "site/pkg/science/__init__.py": "",
            "site/pkg/science/near.py": "",
            "site/pkg/__init__.py": "",
            "site/pkg/tools.py": "",
            "site/pkg/unused.py": "",
            "site/other.py": "",
        },
    )
    assert list(digests(file, [tmp_path / "site" / "pkg"])) == [
        "__init__.py",
        "science/__init__.py",
        "science/near.py",
        "science/sim.py",
        "tools.py",
    ]


@pytest.mark.parametrize(
    ("module", "roots"),
    [
        ("site-packages/pkg/sub/deep.py", ["site-packages/pkg"]),
        ("site-packages/pkg/sub/__init__.py", ["site-packages/pkg"]),
        ("site-packages/pkg/__init__.py", ["site-packages/pkg"]),
        ("site-packages/lone.py", []),
        ("mine/lone.py", ["mine"]),
    ],
)
def test_the_roots_of_a_module_are_its_package_or_its_folder(tmp_path: Path, module: str, roots: list[str]) -> None:
    for package in ("site-packages/pkg", "site-packages/pkg/sub"):
        write(tmp_path, {f"{package}/__init__.py": ""})
    assert roots_of(tmp_path / module) == [tmp_path / root for root in roots]


def test_a_module_of_the_standard_library_has_no_neighbours() -> None:
    assert roots_of(Path(ast.__file__).with_name("statistics.py")) == []


def test_what_lies_outside_the_roots_is_not_followed(tmp_path: Path) -> None:
    file = write(tmp_path, {"a/sim.py": "from ..b import x\nfrom ........ import y", "b.py": ""})
    assert list(digests(file, [tmp_path / "a"])) == ["sim.py"]


def test_a_file_in_no_root_goes_by_its_name(tmp_path: Path) -> None:
    assert list(digests(write(tmp_path, {"sim.py": "import os"}), [])) == ["sim.py"]


def test_a_link_to_a_file_is_followed_under_the_name_it_is_imported_by(tmp_path: Path) -> None:
    write(tmp_path, {"shared/common.py": "import beside", "shared/beside.py": ""})
    file = write(tmp_path, {"study/sim.py": "import mine", "study/beside.py": "x = 1"})
    (tmp_path / "study/mine.py").symlink_to(tmp_path / "shared/common.py")
    found = digests(file, [tmp_path / "study"])
    assert list(found) == ["beside.py", "mine.py", "sim.py"]
    assert found["beside.py"] == code_of("x = 1")


def test_a_folder_may_be_named_through_links(tmp_path: Path) -> None:
    write(tmp_path, {"real/sim.py": "import a", "real/a.py": ""})
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert list(digests(tmp_path / "link/sim.py", [tmp_path / "real"])) == ["a.py", "sim.py"]


def test_a_syntax_error_names_file_and_line(tmp_path: Path) -> None:
    file = write(tmp_path, {"sim.py": "import broken", "broken.py": "x = 1\ndef f(:\n  pass\n"})
    with pytest.raises(FunctionError, match=r"broken\.py:2: "):
        digests(file, [tmp_path])


@pytest.mark.parametrize("content", [b"x = '\xff'", b"x = 1\0", b"("], ids=["utf8", "nul", "open"])
def test_bytes_that_are_no_python_are_a_users_mistake(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "sim.py").write_bytes(content)
    with pytest.raises(FunctionError, match=r"sim\.py"):
        digests(tmp_path / "sim.py", [tmp_path])


def test_a_missing_file_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(FunctionError, match=r"sim\.py: cannot be read: No such file"):
        digests(tmp_path / "sim.py", [tmp_path])


def test_other_encodings_are_read_as_python_reads_them(tmp_path: Path) -> None:
    (tmp_path / "sim.py").write_bytes("# -*- coding: latin-1 -*-\nx = 'é'".encode("latin-1"))
    assert digests(tmp_path / "sim.py", []) == {"sim.py": code_of("x = 'é'")}


def test_warnings_are_left_to_the_import(tmp_path: Path) -> None:
    # pytest is set to make an error of every warning
    assert digests(write(tmp_path, {"sim.py": "x = '\\\\d' is 1"}), [])
