"""Who made the kept images, under which licence, and where each is shown: title, author, source and licence, as Creative Commons asks for it."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from susx.hub.cards import cell, item
from susx.images.retrieve.licences import read_licence
from susx.printable import for_cell, for_terminal
from susx.records import SupportRow

__all__ = [
    "FORMATS",
    "Credit",
    "as_csv",
    "as_html",
    "as_markdown",
    "citations",
    "credits_of",
    "owed",
    "short_classes",
]


@dataclass(frozen=True)
class Credit:
    """What is owed to one image.

    Attributes:
        class_name: the class that it stands for.
        title, author: "" where the source does not say.
        licence: its name, as Creative Commons writes it or as the source says; "" where it says none.
        deed: address of the licence's text, "" where it is not known.
        page: address of the page that shows it, else of the image itself.
        digest: sha256 of the image in the support set.
        cite: how the collection that it comes from asks to be cited, "" where it does not.
    """

    class_name: str
    title: str
    author: str
    licence: str
    deed: str
    page: str
    digest: str
    cite: str = ""


def credits_of(rows: Iterable[SupportRow]) -> list[Credit]:
    """Return a credit for each kept image that was retrieved, by class, page and image; the same image of a class once."""
    credits: dict[tuple[str, str, str], Credit] = {}
    for row in rows:
        if not row.kept or row.origin != "retrieved":
            continue
        licence = read_licence(row.licence)
        page = row.page or row.url or ""
        credit = Credit(
            row.class_name, _shown(row.caption), _shown(row.author), licence.name if licence else _shown(row.licence),
            licence.deed if licence else "", page if page.startswith(("http://", "https://")) else "", row.digest, _shown(row.cite),
        )  # fmt: skip
        credits.setdefault((credit.class_name, credit.page, credit.digest), credit)
    return [credits[key] for key in sorted(credits)]


def owed(credits: Sequence[Credit]) -> bool:
    """Whether a source names an author, a licence or a citation of any image."""
    return any(one.author or one.licence or one.cite for one in credits)


def citations(credits: Iterable[Credit]) -> list[str]:
    """Return the citations that collections ask for, each once, in the order of their words."""
    return sorted({credit.cite for credit in credits if credit.cite})


def as_markdown(credits: Sequence[Credit]) -> str:
    """Return a list by class, an image a line."""
    lines = ["# Image credits", ""]
    for name in dict.fromkeys(credit.class_name for credit in credits):
        lines += [f"## {cell(name)}", ""]
        lines += [f"* {_markdown_line(credit)}" for credit in credits if credit.class_name == name]
        lines.append("")
    if cited := citations(credits):
        lines += ["## Data sets", "", *(f"* {item(one)}" for one in cited), ""]
    return "\n".join(lines)


def _markdown_line(credit: Credit) -> str:
    def link(text: str, address: str) -> str:
        return f"[{text}](<{_address(address)}>)" if address else text

    title = link(item(credit.title) or f"image {credit.digest[:12]}", credit.page)
    author = cell(credit.author, None) or "an author that the source does not name"
    licence = link(cell(credit.licence, None), credit.deed) if credit.licence else "no licence stated"
    return f"{title}, by {author}, {licence}"


def as_csv(credits: Sequence[Credit]) -> str:
    """Return a table with a heading."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["class", "title", "author", "licence", "licence_text", "page", "sha256", "cite"])
    for one in credits:
        row = (one.class_name, one.title, one.author, one.licence, one.deed, one.page, one.digest, one.cite)
        writer.writerow([for_cell(value) for value in row])
    return file.getvalue()


def as_html(credits: Sequence[Credit]) -> str:
    """Return a page that loads nothing."""

    def link(text: str, address: str) -> str:
        shown = html.escape(for_terminal(text))
        return (
            f'<a href="{html.escape(_address(address))}" rel="noreferrer">{shown}</a>' if address else shown
        )

    rows = "\n".join(
        f"<tr><td>{html.escape(for_terminal(one.class_name))}</td><td>{link(one.title or one.digest[:12], one.page)}</td>"
        f"<td>{html.escape(for_terminal(one.author)) or '–'}</td><td>{link(one.licence or 'not stated', one.deed)}</td></tr>"
        for one in credits
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Image credits</title></head><body>\n<h1>Image credits</h1>\n'
        "<table><thead><tr><th>class</th><th>image</th><th>author</th><th>licence</th></tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody></table>\n{_cited(credits)}</body></html>\n"
    )


def _cited(credits: Sequence[Credit]) -> str:
    items = "".join(f"<li>{html.escape(for_terminal(one))}</li>" for one in citations(credits))
    return f"<h2>Data sets</h2>\n<ul>{items}</ul>\n" if items else ""


FORMATS: Mapping[str, Callable[[Sequence[Credit]], str]] = {
    "markdown": as_markdown,
    "csv": as_csv,
    "html": as_html,
}


def short_classes(rows: Iterable[SupportRow], classes: Sequence[str], per_class: int) -> list[str]:
    """Return a sentence for each class that kept fewer images than were wanted, with what became of its others, the poorest first.

    >>> rows = [SupportRow("cat", "", "", "retrieved", "", rejected="licence")]
    >>> short_classes(rows, ["cat"], 2)
    ["'cat' has 0 of 2 images: of 1 candidates, 1 licence."]
    """
    kept = dict.fromkeys(classes, 0)
    lost: dict[str, dict[str, int]] = {name: {} for name in classes}
    for row in rows:
        if row.class_name in kept:
            if row.kept:
                kept[row.class_name] += 1
            else:
                of_class = lost[row.class_name]
                of_class[row.rejected] = of_class.get(row.rejected, 0) + 1
    sentences = []
    for name in sorted((name for name in classes if kept[name] < per_class), key=lambda name: kept[name]):
        reasons = ", ".join(
            f"{number} {reason}" for reason, number in sorted(lost[name].items(), key=lambda one: -one[1])
        )
        number = kept[name] + sum(lost[name].values())
        why = f"of {number} candidates, {reasons}" if reasons else f"the sources gave {number} candidates"
        sentences.append(f"'{name}' has {kept[name]} of {per_class} images: {why}.")
    return sentences


def _shown(text: str | None) -> str:
    """Return a text, "" where it has no sign that can be seen (spaces, zero-width ones)."""
    plain = (text or "").strip()
    return plain if any(sign.isprintable() and not sign.isspace() for sign in plain) else ""


def _address(text: str) -> str:
    """Return an address without what could end a link in Markdown or HTML."""
    return "".join(f"%{ord(sign):02X}" if sign in '<>"\\ \n\r\t`' else sign for sign in for_terminal(text))
