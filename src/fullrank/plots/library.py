"""matplotlib: loaded when a figure is asked for, with one style whatever the user's settings are."""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fullrank.errors import OutputError, UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf", "svg")
DOTS_PER_INCH = 200
WIDTH_INCHES = 7.0
"""Between the margins of a printed page."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""M. Okabe and K. Ito, Color Universal Design, 2008: told apart by the colour-blind too."""
NO_VALUE = "0.8"
"""Grey of cells without a value."""

STYLE: Mapping[Any, Any] = {
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.title_fontsize": 8.0,
    "figure.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.0,
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "legend.borderaxespad": 0.0,
    "axes.formatter.useoffset": False,
    "image.cmap": "viridis",
    "pdf.fonttype": 42,  # fonts that journals accept
    "svg.fonttype": "path",  # looks alike where the font is missing
    "svg.hashsalt": "fullrank",  # the same figure is the same file
}


def check_figure_path(path: Path) -> None:
    """Raise UsageError unless a figure can be written in the format that the name ends in, and matplotlib is there."""
    if path.suffix[1:].lower() not in FORMATS:
        expected = ", ".join(f".{name}" for name in FORMATS)
        raise UsageError(f"--plot {path}: expected a name that ends in {expected}, got {path.suffix or 'no ending'}")
    check_folder(path)
    require_matplotlib()


def check_page_path(path: Path) -> None:
    """Raise UsageError unless a web page of that name can be written, and matplotlib is there for its figures."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--html {path}: expected a name that ends in .html, got {path.suffix or 'no ending'}")
    check_folder(path)
    require_matplotlib()


def check_folder(path: Path) -> None:
    """Raise UsageError if a file cannot stand there: long before it is made."""
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.absolute().parent}")
    if path.is_dir():
        raise UsageError(f"{path}: expected the name of a file, got a folder")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: expected the name of a file, got a device or a pipe")


def require_matplotlib() -> None:
    """Raise UsageError with the cure if matplotlib cannot be loaded."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise UsageError(f"figures need matplotlib ({error}); install it with: pip install 'fullrank[plot]'") from None


@contextmanager
def style() -> Iterator[None]:
    """The project's style for what is drawn and saved meanwhile; no setting of the user's shines through."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # shown as a box; no reason to stop
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def save(figure: "Figure", path: Path) -> None:
    """Write a figure in the format its name ends in; the file appears whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    kind = path.suffix[1:].lower()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)

    def write(temporary: Path) -> None:
        with style():
            figure.savefig(temporary, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)

    _replace(path, write)


def save_text(text: str, path: Path) -> None:
    """Write a text file; it appears whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    _replace(path, lambda temporary: temporary.write_text(text, "utf-8", "backslashreplace"))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()
