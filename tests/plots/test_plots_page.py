"""The report as a web page: the same as the text, and nothing of a file's texts is taken for markup."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from comparisons import PURE_PYTHON, comparison
from store_samples import ATTEMPT, WORKER, Study, info, numbers_study, sweep_of

from fullrank import plots
from fullrank.compare.records import Variant
from fullrank.compare.words import text as text_of_comparison
from fullrank.report import report, text
from fullrank.schema import Failure, Tables

HOSTILE = "</pre></title><script>alert(\"1\")</script><img src=x onerror='a()'> & &lt; \x1b[2J"
FAILED = 2


class Reader(HTMLParser):
    """What a browser makes of a page: its elements, with their attributes, and the words that are seen."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "head" not in self._open:
            self.words += data.split()


def hostile_study() -> Study:
    study = numbers_study(sweep_of((12,)))
    study.title = HOSTILE
    study.infos["energy"] = info(units=HOSTILE, long_name=HOSTILE)
    study.status[5] = FAILED
    failure = Failure(5, FAILED, '{"axis0": 5}', f"ValueError: {HOSTILE}", HOSTILE, HOSTILE, 0)
    provenance = {"command": HOSTILE, "cpu_model": HOSTILE, "host": HOSTILE}
    return replace(study, tables=Tables((failure,), (replace(WORKER, host=HOSTILE),), (ATTEMPT,), provenance))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "study.h5"


def read(study: Study, path: Path) -> Reader:
    study.write(path)
    reader = Reader()
    reader.feed(plots.result_page(report(path)))
    reader.close()
    return reader


def test_page_says_all_that_the_text_says(path: Path) -> None:
    study = numbers_study(sweep_of((12,))).with_ends({3: FAILED, 4: FAILED})
    page = read(study, path)
    assert sorted(page.words) == sorted(text(report(path)).split())


def test_texts_of_the_file_are_never_markup(path: Path) -> None:
    page = read(hostile_study(), path)
    harmless = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "figure", "img", "div"}
    harmless |= {"table", "tr", "th", "td", "dl", "dt", "dd", "span", "pre"}
    assert {tag for tag, _ in page.elements} <= harmless
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "\x1b" not in plots.result_page(report(path))
    assert sorted(page.words) == sorted(text(report(path), width=10_000).split())


def test_page_needs_no_other_file(path: Path) -> None:
    page = read(hostile_study(), path)
    attributes = [(name, value) for _, found in page.elements for name, value in found.items()]
    sources = [value or "" for name, value in attributes if name in ("src", "href", "srcset", "action")]
    assert len(sources) == 2
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert any(name == "content" and (value or "").startswith("default-src 'none'") for name, value in attributes)


def test_each_figure_says_what_it_shows(path: Path) -> None:
    images = [found for tag, found in read(numbers_study(sweep_of((12,))), path).elements if tag == "img"]
    assert [image["alt"] for image in images] == [
        "The results: energy.",
        "How long items took, and what each worker's time went into.",
    ]


def test_headings_of_tables_are_marked_as_such(path: Path) -> None:
    page = read(numbers_study(sweep_of((12,))), path)
    assert len([tag for tag, _ in page.elements if tag == "table"]) == 5
    assert len([tag for tag, _ in page.elements if tag == "th"]) >= 3 * 3


def test_bars_of_workers_are_drawn_in_columns_of_one_width(path: Path) -> None:
    numbers_study(sweep_of((12,))).write(path)
    page = plots.result_page(report(path))
    bars = re.findall(r'<pre class="drawn">(.*?)</pre>', page, re.DOTALL)
    assert len(bars) == 1
    assert "█" in bars[0]
    assert "█" not in re.sub(r"<pre.*?</pre>", "", page, flags=re.DOTALL).replace('<td class="left">█</td>', "")


def test_verdicts_are_a_table_with_a_column_for_each_figure() -> None:
    found = comparison(PURE_PYTHON, noise=0.0, not_possible={Variant("interpreters", 2): "the function imports numpy"})
    page = plots.comparison_page(found)
    row = '<td class="left">{}</td><td class="left">{}</td><td class="left">{}</td><td class="left">{}</td>'
    assert row.format("processes ×2", "1.95× [1.95, 1.95]", "2.0 of 2", "pays") in page
    assert row.format("interpreters ×2", "", "", "not possible: the function imports numpy") in page
    assert row.format("way", "speed-up", "cores busy", "verdict").replace("td", "th") in page
    reader = Reader()
    reader.feed(page)
    assert sorted(reader.words) == sorted(text_of_comparison(found, width=10_000).split())


def test_page_of_a_comparison_has_a_command_to_copy_a_list_of_cautions_and_nothing_empty() -> None:
    page = plots.comparison_page(comparison(PURE_PYTHON, noise=0.3, n_sampled=3))
    assert "<pre>fullrank run study.toml -b processes -n 2</pre>" in page
    listed = re.findall(r"<h2>Keep in mind</h2>\n<ul>\n(.*?)\n</ul>", page, re.DOTALL)
    assert len(listed) == 1
    assert re.findall(r"<li>(.*?)</li>", listed[0])[1].startswith("The sample has 3 items for up to 2 workers")
    assert "<p></p>" not in page
    assert re.search(r'<table class="told">\n<tr><th class="left">way<', page)
    assert ".told :is(th, td):not(:last-child) { white-space: nowrap; }" in page
