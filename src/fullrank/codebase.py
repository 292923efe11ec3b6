"""What a function is made of: a digest of its module and of the neighbours that module imports.

Only what a program does counts: comments, docstrings, layout and the Python that reads the file do
not. Neighbours are found in the text, nothing is imported; so a name put together at run time, a
compiled module and a data file are not seen.
"""

import ast
import warnings
from collections.abc import Container, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from fullrank.errors import FunctionError
from fullrank.identity import content_digest
from fullrank.job import SourceFile, mark_of, may_be_edited
from fullrank.syntax import tokens


def sources(function_file: Path, roots: Sequence[Path]) -> dict[str, SourceFile]:
    """Return each file the function is made of with its SHA-256, by its name relative to a root.

    ``roots`` are the folders whose modules are neighbours: those that come first on ``sys.path``,
    or the folder of an installed package, which is a root if it holds ``__init__.py``. Files
    elsewhere are not followed. Raises FunctionError for a file that Python cannot read.
    """
    roots = [root.resolve() for root in roots]
    # the folder is resolved, like the roots; a link to a file keeps the name Python imports it by
    start = function_file.parent.resolve() / function_file.name
    found: dict[str, SourceFile] = {}
    waiting, seen = [start, *_packages_of(start, roots)], set()
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            mark = mark_of(file)  # first: what is written while it is read is another file
            tree = _parsed(file)
            found[_name(file, roots, found)] = SourceFile(str(file), mark, digest(tree))
            waiting += _neighbours(file, tree, roots)
    return dict(sorted(found.items()))


def is_edited(source: SourceFile) -> bool:
    """Return whether a file does something else now than when it was read; no for one that is not there."""
    if not may_be_edited(source):
        return False
    file = Path(source.path)
    return (digest(_parsed(file)) if source.is_code else content_digest(file)) != source.digest


def roots_of(module_file: Path) -> list[Path]:
    """Return the roots for a function that is imported by name, from beside no config.

    Those are its top-level package, or the folder of a module in no package. What a lone module
    among installed ones imports are other people's programs: it has no neighbours.
    """
    folder = module_file.parent
    if not (folder / "__init__.py").is_file():
        return [] if _is_installed(module_file) else [folder]
    while (folder.parent / "__init__.py").is_file():
        folder = folder.parent
    return [folder]


def _is_installed(file: Path) -> bool:
    standard_library = Path(ast.__file__).parent
    installed = {"site-packages", "dist-packages"} & set(file.parts)
    return bool(installed) or file.is_relative_to(standard_library)


def digest(tree: ast.Module) -> str:
    """Return the SHA-256 of what a module does, the same on every supported version of Python."""
    hashed = sha256()
    for token in tokens(tree):
        hashed.update(b"%d:%b" % (len(token), token))
    return hashed.hexdigest()


def _parsed(file: Path) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the import shows them
            return ast.parse(file.read_bytes())
    except OSError as error:
        raise FunctionError(f"{file}: cannot be read: {error.strerror}") from None
    except SyntaxError as error:
        raise FunctionError(f"{file}:{error.lineno or 1}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise FunctionError(f"{file}: Python cannot read it: {error}") from None


def _name(file: Path, roots: Sequence[Path], taken: Container[str]) -> str:
    """A name that stays the same when the study is moved: relative to the first root around it."""
    root = next((root for root in roots if file.is_relative_to(root)), file.parent)
    name = file.relative_to(root).as_posix()
    while name in taken:
        name = f"{root.name}/{name}"  # two roots with a file of the same name
    return name


def _neighbours(file: Path, tree: ast.Module, roots: Sequence[Path]) -> Iterator[Path]:
    for folders, dotted in _imports(file, tree, roots):
        for folder in folders:
            files = [file for file in _module_files(folder, dotted) if _is_inside(file, roots)]
            yield from files
            if files:
                break


def _is_inside(file: Path, roots: Sequence[Path]) -> bool:
    return any(file.is_relative_to(root) for root in roots)


def _imports(file: Path, tree: ast.Module, roots: Sequence[Path]) -> Iterator[tuple[Sequence[Path], str]]:
    """Every module that an import statement may mean, with the folders to look for it in."""
    absolute = [*roots, *map(_folder_of_package, roots)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield absolute, alias.name
        elif isinstance(node, ast.ImportFrom):
            folders = file.parents[node.level - 1 : node.level] if node.level else absolute
            for alias in node.names:  # a name of the module, or a module below it
                yield folders, ".".join(filter(None, (node.module, alias.name)))


def _folder_of_package(root: Path) -> Path:
    """The folder that must be on ``sys.path`` for the package ``root`` to be imported."""
    while (root / "__init__.py").is_file():
        root = root.parent
    return root


def _packages_of(file: Path, roots: Sequence[Path]) -> Iterator[Path]:
    """``__init__.py`` of the packages around ``file``, which Python runs before it."""
    for folder in file.parents:
        init = folder / "__init__.py"
        if not _is_inside(init, roots) or not init.is_file():
            return
        yield init


def _module_files(folder: Path, dotted: str) -> Iterator[Path]:
    """The files that ``import dotted`` runs with ``folder`` on ``sys.path``, outermost first."""
    for part in dotted.split("."):
        package = folder / part
        if (package / "__init__.py").is_file():
            yield package / "__init__.py"
        elif package.with_suffix(".py").is_file():
            yield package.with_suffix(".py")
            return
        elif not package.is_dir():
            return
        folder = package
