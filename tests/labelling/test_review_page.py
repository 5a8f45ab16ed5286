"""The review in a real browser: by clicking and by keys, on a desk and on a telephone; nothing is asked of the network."""

from __future__ import annotations

import csv
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from susx.labelling.audit_files import draw_anew
from susx.labelling.label_result import LabelResult
from susx.labelling.review.refit import EVERY
from susx.labelling.review.session import ReviewSession
from tests.labelling.conftest import make_result, make_taught

Serve = Callable[..., str]
Open = Callable[..., Any]


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Open an address in a fresh context; at the end no script failed and nothing elsewhere was asked for."""
    complaints: list[str] = []
    contexts = []

    def open_(address: str, width: int = 1280, height: int = 900, **options: Any) -> Any:
        # The page's own policy forbids the evaluation of texts, which playwright's waiting is made of.
        options.setdefault("bypass_csp", True)
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"page error: {error}"))
        page.on(
            "request",
            lambda r: complaints.append(r.url) if not r.url.startswith((address, "data:")) else None,
        )
        page.goto(address)
        page.wait_for_selector(".tile.current")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def lines(result: LabelResult, name: str = "corrections.csv") -> list[dict[str, str]]:
    assert result.folder is not None
    with open(result.folder / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def press(page: Any, key: str) -> None:
    """Press a key that answers, and wait until the page says that it is saved."""
    page.evaluate("document.getElementById('status').textContent = ''")
    page.keyboard.press(key)
    page.locator("#status", has_text=re.compile("^(Saved|Taken)")).wait_for()


def test_keys_answer_and_each_answer_is_on_the_disk(
    labelled: LabelResult, serve: Serve, open_page: Open
) -> None:
    """Right, second, none, correct to a class and to a new one; the cursor goes on; undo takes the last back."""
    page = open_page(serve(labelled.folder))
    shown = [
        int(text) for text in page.eval_on_selector_all(".tile", "tiles => tiles.map(t => t.dataset.id)")
    ]
    frame = labelled.frame
    margins = [frame["margin"][row] for row in shown]
    assert margins == sorted(margins), "the doubtful come first"
    press(page, "Enter")
    press(page, "2")
    press(page, "n")
    page.keyboard.press("c")
    page.keyboard.type("wov")
    press(page, "Enter")
    page.keyboard.press("c")
    page.keyboard.type("paisley")
    assert "new class: paisley" in page.locator("#choices").inner_text()
    press(page, "Enter")
    said = lines(labelled)
    expected = [frame["label"][shown[0]], frame["second"][shown[1]], "", "woven", "paisley"]
    assert [row["label"] for row in said] == expected
    assert [row["path"] for row in said] == [frame["path"][row] for row in shown[:5]]
    assert {row["who"] for row in said} == {"ann"}
    press(page, "u")
    assert [(row["action"], row["path"]) for row in lines(labelled)[5:]] == [
        ("undo", frame["path"][shown[4]])
    ]
    assert page.locator(".tile.current").get_attribute("data-id") == str(shown[4])
    page.reload()
    page.wait_for_selector(".tile.current")
    assert page.locator(".tile").count() == 28 - 4, (
        "near-duplicates are one tile; what is answered is no longer doubtful"
    )


def test_a_group_and_a_selection_get_one_answer(labelled: LabelResult, serve: Serve, open_page: Open) -> None:
    """Near-duplicates are one tile with their number; a selection is answered and taken back as one."""
    page = open_page(serve(labelled.folder))
    group = page.locator(".tile", has=page.locator(".alike"))
    assert group.locator(".alike").inner_text() == "× 3"
    group.locator(".frame").click()
    press(page, "n")
    assert [row["path"] for row in lines(labelled)] == ["00027.png", "00028.png", "00029.png"]
    page.locator(".tile .frame").nth(0).click()
    page.locator(".tile .frame").nth(3).click(modifiers=["Shift"])
    assert page.locator(".tile[aria-selected=true]").count() == 4
    page.keyboard.press("c")
    page.keyboard.type("dott")
    press(page, "Enter")
    assert [row["label"] for row in lines(labelled)[3:]] == ["dotted"] * 4
    press(page, "u")
    assert [row["action"] for row in lines(labelled)[7:]] == ["undo"] * 4
    assert page.locator(".tile[aria-selected=true]").count() == 0


def test_by_class_zoom_and_the_classes_counts(labelled: LabelResult, serve: Serve, open_page: Open) -> None:
    """A class is a list of its tiles; a corrected one is counted in its new class; a picture is shown large."""
    page = open_page(serve(labelled.folder))
    page.locator("nav [data-view=class]").click()
    page.locator("#classes button", has_text="dotted").click()
    page.wait_for_function(
        "document.getElementById('title').textContent === 'dotted' && document.querySelector('#grid[aria-busy=false]')"
    )
    labels = page.locator(".tile .label").all_inner_texts()
    assert set(labels) == {"dotted"}
    page.keyboard.press("z")
    page.wait_for_function("document.getElementById('zoom-image').naturalWidth > 0")
    assert page.locator("#zoom").is_visible()
    press(page, "2")
    large = page.locator("#zoom-image").get_attribute("src")
    page.locator("#zoom [data-do=undo]").click()
    page.locator("#status", has_text="Taken back").wait_for()
    assert page.locator("#zoom-image").get_attribute("src") != large, "it goes back to what was taken back"
    press(page, "2")
    page.keyboard.press("Escape")
    assert not page.locator("#zoom").is_visible()
    assert f"1/{len(labels) - 1}" not in page.locator("#classes button", has_text="dotted").inner_text()
    assert f"0/{len(labels) - 1}" in page.locator("#classes button", has_text="dotted").inner_text()
    page.locator("#find").fill("wov")
    assert page.locator("#classes li").count() == 1
    page.locator("nav [data-view=answered]").click()
    page.wait_for_function("document.querySelectorAll('.tile').length === 1")


def test_two_tabs_see_each_others_answers(labelled: LabelResult, serve: Serve, open_page: Open) -> None:
    """Two people, two servers, one folder: all answers are kept, and shown to the other."""
    ann, bob = open_page(serve(labelled.folder, "ann")), open_page(serve(labelled.folder, "bob"))
    press(ann, "Enter")
    press(bob, "2")
    for _ in range(3):
        press(ann, "Enter")
        press(bob, "n")
    said = lines(labelled)
    assert sorted(row["who"] for row in said) == ["ann"] * 4 + ["bob"] * 4
    first = ann.locator(".tile").first
    bob.wait_for_function("document.querySelector('#progress-text').textContent.startsWith('4 of')")
    ann.wait_for_function("document.querySelector('.tile .detail').textContent.includes('said by bob')")
    assert "said by bob" in first.inner_text()
    press(bob, "u")
    assert lines(labelled)[-1]["who"] == "bob"


def test_an_audit_is_answered_apart_and_says_how_right_the_labels_are(
    labelled: LabelResult, serve: Serve, open_page: Open
) -> None:
    """Its answers correct nothing; the accuracy has an interval, and what was chosen by doubt is said to be biased."""
    assert labelled.folder is not None
    draw_anew(labelled.folder, labelled.frame, 8, error=None, share=None, level=0.95)
    page = open_page(serve(labelled.folder))
    assert page.locator("#title").inner_text() == "Audit"
    assert page.locator(".tile").count() == 8
    for _ in range(7):
        press(page, "Enter")
    press(page, "n")
    assert len(lines(labelled, "audit.csv")) == 8
    assert not (labelled.folder / "corrections.csv").exists()
    said = page.locator("#accuracy").inner_text()
    assert said.startswith("88 % right of all labels, 47 % to ")
    assert "8 random images" in said
    page.locator("nav [data-view=doubt]").click()
    page.wait_for_function("document.querySelectorAll('.tile').length === 28")
    press(page, "Enter")
    assert (
        "1 of 1 other answers confirmed the label: not drawn at random"
        in page.locator("#accuracy").inner_text()
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_telephone(labelled: LabelResult, serve: Serve, open_page: Open, scheme: str) -> None:
    """No sideways scrolling, answers by tapping, every text readable."""
    page = open_page(serve(labelled.folder), 360, 740, color_scheme=scheme, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator(".tile .yes").first.tap()
    page.wait_for_function("document.querySelector('.tile').classList.contains('right')")
    page.locator(".tile .fix").nth(1).tap()
    page.locator("#choices li", has_text="none of these").tap()
    page.wait_for_function("document.querySelectorAll('.tile')[1].classList.contains('outside')")
    assert [row["label"] for row in lines(labelled)][1] == ""
    page.locator("nav [data-view=class]").click()
    page.locator("#class-select").select_option("woven")
    page.wait_for_function(
        "[...document.querySelectorAll('.tile .label')].every(l => l.firstChild.textContent === 'woven')"
    )
    low = page.evaluate(
        """() => { const c = (s) => { const [r, g, b] = s.match(/[\\d.]+/g).map(Number); const f = (v) => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
          return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
        const behind = (e) => { for (; e; e = e.parentElement) { const b = getComputedStyle(e).backgroundColor; if (!b.endsWith(', 0)')) return b; } return 'rgb(255, 255, 255)'; };
        return [...document.querySelectorAll('.label, .detail, .hint, nav button, .actions button:not(:disabled), #accuracy, #status, .quick button')]
          .filter(e => e.getClientRects().length && e.textContent.trim())
          .map(e => { const [a, b] = [c(getComputedStyle(e).color), c(behind(e))].sort((x, y) => y - x); return [(a + .05) / (b + .05), e.className + e.textContent.slice(0, 30)]; })
          .filter(([ratio]) => ratio < 4.5); }"""
    )
    assert low == []


def correct_to(page: Any, tile: int, name: str) -> None:
    """Click a tile and correct its label by keys."""
    page.locator(f"#tile-{tile} .frame").click()
    page.keyboard.press("c")
    page.keyboard.type(name)
    press(page, "Enter")


def test_the_other_labels_follow_when_asked_to(tmp_path: Path, serve: Serve, open_page: Open) -> None:
    """Six corrections, one click: other tiles of their kind change where they stand, and what comes next is in the new order."""
    result = make_taught(tmp_path)
    page = open_page(serve(result.folder))
    page.locator("nav [data-view=next]").click()
    page.wait_for_function(
        "document.getElementById('title').textContent === 'Ask me next' && document.querySelector('#grid[aria-busy=false]')"
    )
    assert page.locator("#learn").is_disabled()
    ids = [int(text) for text in page.eval_on_selector_all(".tile", "tiles => tiles.map(t => t.dataset.id)")]
    asked = [tile for tile in ids if tile % 3 == 1 and tile < 86][:6]
    for tile in asked:
        correct_to(page, tile, "dotted")
    assert page.locator("#learn").inner_text().startswith("Learn (6)")
    page.locator("#learn").click()
    page.locator("#fit", has_text="follow 6 answers").wait_for()
    other = next(tile for tile in ids if tile % 3 == 1 and tile not in asked)
    page.wait_for_function(
        "id => document.querySelector(`#tile-${id} .label`)?.firstChild.textContent === 'dotted'", arg=other
    )
    assert page.locator("#learn").is_disabled()
    assert len(lines(result)) == 6
    session = ReviewSession(result)
    session.refitter.run()
    current = int(page.locator(".tile.current").get_attribute("data-id"))
    shown = [
        int(text) for text in page.eval_on_selector_all(".tile", "tiles => tiles.map(t => t.dataset.id)")
    ]
    before, after = shown[: shown.index(current) + 1], shown[shown.index(current) + 1 :]
    expected = [tile for tile in session.view("next") if tile not in before]
    assert after
    assert after == expected[: len(after)]
    press(page, "Enter")
    assert lines(result)[-1]["path"] == result.frame["path"][current]


def test_the_other_labels_follow_by_themselves_after_enough_answers(
    tmp_path: Path, serve: Serve, open_page: Open
) -> None:
    """A selection of a class is answered at once: nothing is clicked, and the count of the classes changes."""
    result = make_taught(tmp_path)
    page = open_page(serve(result.folder))
    ids = [int(text) for text in page.eval_on_selector_all(".tile", "tiles => tiles.map(t => t.dataset.id)")]
    for tile in [tile for tile in ids if tile % 3 == 1 and tile < 86][: EVERY - 1]:
        page.locator(f"#tile-{tile} .frame").click(modifiers=["Control"])
    page.keyboard.press("c")
    page.keyboard.type("dotted")
    press(page, "Enter")
    assert page.locator("#fit").inner_text() == ""
    first = next(tile for tile in ids if tile % 3 == 0)
    page.locator(f"#tile-{first} .frame").click()
    press(page, "Enter")
    page.locator("#fit", has_text=f"follow {EVERY} answers").wait_for()


def test_markup_in_names_is_text(tmp_path: Path, serve: Serve, open_page: Open) -> None:
    """A class called like a script runs nothing, nor does a new one, nor one's own name."""
    evil = "<img src=x onerror=\"window.hit=1\"> & 'q'"
    result = make_result(tmp_path, 12, (evil, "dotted"), drawn=0)
    page = open_page(serve(result.folder, evil), bypass_csp=False)
    assert evil in page.locator(".tile .label").all_inner_texts()
    press(page, "Enter")
    page.keyboard.press("c")
    page.keyboard.type("<b onclick=1>")
    press(page, "Enter")
    page.locator("nav [data-view=class]").click()
    assert page.evaluate("window.hit") is None
    assert "<b onclick=1>" in page.locator("#classes").inner_text()


def test_photographs_that_were_moved_or_changed_are_said(
    labelled: LabelResult, serve: Serve, open_page: Open
) -> None:
    """Their tiles say why there is no picture; another picture under the name is not shown for the old one."""
    photographs = Path(labelled.record.folder)
    (photographs / "00000.png").unlink()
    shutil.copy(photographs / "00002.png", photographs / "00001.png")
    page = open_page(serve(labelled.folder))
    page.evaluate("document.querySelectorAll('img').forEach(image => { image.loading = 'eager'; })")
    page.wait_for_function("document.querySelectorAll('.lost').length === 2")
    said = " ".join(page.locator(".lost").all_inner_texts())
    assert "There is no photograph at" in said
    assert "is another photograph than the one that was labelled" in said


def test_a_server_that_ends_takes_no_answer_with_it(
    labelled: LabelResult, serve: Serve, open_page: Open
) -> None:
    """A page without its server says that nothing was saved."""
    page = open_page(serve(labelled.folder))
    press(page, "Enter")
    page.context.set_offline(True)
    page.keyboard.press("Enter")
    page.wait_for_selector("#trouble:not([hidden])")
    assert "does not answer" in page.locator("#trouble").inner_text()
    assert page.locator("#status").inner_text() == "Not saved."
    assert len(lines(labelled)) == 1
    page.context.set_offline(False)
    press(page, "Enter")
    assert not page.locator("#trouble").is_visible()
    assert len(lines(labelled)) == 2


def test_a_correction_among_ten_thousand_shows_within_a_second(
    tmp_path: Path, serve: Serve, open_page: Open
) -> None:
    """The middle of nine, from the key to the tile that shows it; on this machine, whatever else runs on it."""
    result = make_result(tmp_path, 10_000, drawn=200)
    page = open_page(serve(result.folder))
    seconds = []
    for _ in range(9):
        start = time.perf_counter()
        before = page.locator(".tile.changed").count()
        page.keyboard.press("2")
        page.wait_for_function("n => document.querySelectorAll('.tile.changed').length > n", arg=before)
        seconds.append(time.perf_counter() - start)
    assert sorted(seconds)[4] <= 1.0
    assert len(lines(result)) == 9
