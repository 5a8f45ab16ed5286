"""Credits: everything that a licence asks for, in forms that hostile titles cannot break."""

from __future__ import annotations

import csv
import dataclasses
import io

import pytest
from markdown_it import MarkdownIt

from susx.images.support.credits import FORMATS, as_csv, as_html, as_markdown, credits_of, short_classes
from susx.records import SupportRow


def row(**values: object) -> SupportRow:
    facts = {
        "class_name": "cat", "file": "images/a.jpg", "digest": "d" * 64, "origin": "retrieved", "prompt": "a cat",
        "url": "https://host/a.jpg", "caption": "A cat", "licence": "by 2.0", "author": "Ada", "page": "https://p/1",
    }  # fmt: skip
    return SupportRow(**{**facts, **values})  # type: ignore[arg-type]


def test_what_is_credited() -> None:
    """Kept and retrieved images, each once a class; the image's own link where there is no page; nothing is invented."""
    rows = [
        row(), row(), row(rejected="surplus", page="https://p/2"), row(origin="generated", page="https://p/3"),
        row(page=None, author=None, licence="own terms", caption=None), row(class_name="dog", cite="Set A, doi 1"),
    ]  # fmt: skip
    found = credits_of(rows)
    assert [(one.class_name, one.author, one.licence, one.deed, one.page) for one in found] == [
        ("cat", "", "own terms", "", "https://host/a.jpg"),
        ("cat", "Ada", "CC BY 2.0", "https://creativecommons.org/licenses/by/2.0/", "https://p/1"),
        ("dog", "Ada", "CC BY 2.0", "https://creativecommons.org/licenses/by/2.0/", "https://p/1"),
    ]
    text = as_markdown(found)
    assert (
        "* [A cat](<https://p/1>), by Ada, [CC BY 2.0](<https://creativecommons.org/licenses/by/2.0/>)"
        in text
    )
    assert "by an author that the source does not name, own terms" in text
    assert text.rstrip().endswith("## Data sets\n\n* Set A, doi 1")
    assert text.index("## cat") < text.index("## dog")
    table = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert [one["author"] for one in table] == ["", "Ada", "Ada"]


@pytest.mark.parametrize(
    "evil",
    [
        "=HYPERLINK(1)",
        "<script>alert(1)</script>",
        "](javascript:x) [a",
        "a\nb | c",
        "\x1b[31m",
        "\u202ecat",
        "\ud800",
        "1. Ada",
        "- Ada\n- Bob",
        "> quoted",
        "---",
        "+ Ada",
        "| a | b |",
        "&lt;b&gt; &#60;script&#62;",
        "`code` **bold** ![i](http://evil/i.png)",
        "<img src=x onerror=alert(1)>",
        "'\" onmouseover=alert(1) '",
    ],
)
def test_titles_of_strangers_break_nothing(evil: str) -> None:
    """Whatever a title, author, licence or page holds: no script, no formula, no second line, no other link."""
    found = credits_of(
        [row(caption=evil, author=evil, licence=evil, page="https://p/1?" + evil, class_name="cat")]
    )
    found += credits_of([row(page="javascript:alert(1)", url=None)])
    assert found[-1].page == ""
    for name, write in FORMATS.items():
        text = write(found)
        text.encode()
        assert "<script" not in text or name == "csv"
        assert "\x1b" not in text
    cells = next(iter(csv.DictReader(io.StringIO(as_csv(found)))))
    assert not cells["title"].startswith("=")
    assert len([line for line in as_markdown(found).splitlines() if line.startswith("*")]) == 2
    assert as_markdown(found).count("](<") <= 3
    assert 'href="javascript' not in as_html(found)


def test_short_classes_say_why() -> None:
    rows = [
        row(),
        row(rejected="licence"),
        row(rejected="licence"),
        row(rejected="dead-link"),
        row(class_name="dog"),
    ]
    rows.append(dataclasses.replace(row(), class_name="dog"))
    assert short_classes(rows, ["dog", "cat", "eel"], 2) == [
        "'eel' has 0 of 2 images: the sources gave 0 candidates.",
        "'cat' has 1 of 2 images: of 4 candidates, 2 licence, 1 dead-link.",
    ]


def test_nothing_that_is_owed_is_cut() -> None:
    """Authors, licences, pages and citations of any length are in every form; a title or author without a visible sign is none."""
    author = "; ".join(f"Author {number}" for number in range(60))
    cite = "Observers (2025). " + "A very long name of a data set. " * 12 + "https://doi.org/10.15468/abc"
    page = "https://p.example/" + "a" * 400
    found = credits_of([row(author=author, cite=cite, page=page, licence="terms " * 60 + "end")])
    for write in FORMATS.values():
        text = write(found).replace("\\", "")
        assert "Author 59" in text
        assert page in text
        assert "10.15468/abc" in text
        assert "terms end" in text
    for nobody in ("", " ", "\u200b", "\n\t", "\u202e\u200d"):
        [one] = credits_of([row(author=nobody, caption=nobody, licence=nobody)])
        assert (one.author, one.title, one.licence) == ("", "", "")
        assert "by an author that the source does not name, no licence stated" in as_markdown([one])


@pytest.mark.parametrize("start", ["1. Ada", "2) Ada", "- Ada", "+ Ada", "> Ada", "---", "==="])
def test_an_item_begins_nothing_of_its_own(start: str) -> None:
    """A title without a page, or a citation, that looks like a list, a quotation or a rule stays a text."""
    text = as_markdown(credits_of([row(caption=start, page=None, url=None, cite=start)]))
    html = MarkdownIt().render(text)
    assert html.count("<ul>") == 2
    assert not any(tag in html for tag in ("<ol", "<hr", "<blockquote", "<h3"))
    assert html.count(start.replace(">", "&gt;")) == 2
