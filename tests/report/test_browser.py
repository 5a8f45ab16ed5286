"""The page in headless Chromium: sorting, hover, focus, theme, filter, copy, drawing; silent and offline."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from susx.report import ReportData, write_report
from susx.report.sample import sample_report

Open = Callable[..., Any]


def _column(page: Any, name: str) -> list[str]:
    heads = [
        re.sub(r"[↕↑↓]", "", t).strip() for t in page.locator("table.methods thead th").all_inner_texts()
    ]
    return page.locator(f"table.methods tbody tr > :nth-child({heads.index(name) + 1})").all_inner_texts()  # type: ignore[no-any-return]


def _draw_all(page: Any) -> int:
    plots = page.locator(".plot")
    for i in range(plots.count()):
        plots.nth(i).scroll_into_view_if_needed()
        page.wait_for_function("i => document.querySelectorAll('.plot')[i].dataset.drawn", arg=i)
    return plots.count()  # type: ignore[no-any-return]


def test_a_column_sorts_both_ways_and_says_so(report: Path, open_page: Open) -> None:
    """The first press sorts downwards, the second upwards; aria-sort and the live region follow."""
    page = open_page(report)
    button = page.locator("table.methods button.sort", has_text="top-1")
    head = page.locator("table.methods th", has=page.locator("button", has_text="top-1"))
    assert head.get_attribute("aria-sort") == "none"
    button.click()
    values = [float(v) for v in _column(page, "top-1")]
    assert values == sorted(values, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    assert page.locator("#sorted").inner_text() == "Sorted by top-1, descending."
    button.click()
    assert [float(v) for v in _column(page, "top-1")] == sorted(values)
    assert head.get_attribute("aria-sort") == "ascending"


def test_sorting_by_keyboard_keeps_unknown_values_last(report: Path, open_page: Open) -> None:
    """Enter on a focused column name sorts; zero-shot, which has no gain, is last both ways."""
    page = open_page(report)
    page.locator("table.methods button.sort", has_text="gain").focus()
    for _ in range(2):
        page.keyboard.press("Enter")
        assert _column(page, "gain")[-1] == "–"
    gains = [float(v.replace("−", "-")) for v in _column(page, "gain")[:-1]]
    assert gains == sorted(gains)
    page.locator("table.methods button.sort", has_text="method").click()
    names = _column(page, "method")
    assert names[0].startswith("Cache")
    assert page.locator("table.methods th[aria-sort]:not([aria-sort=none])").count() == 1


def test_provenance_on_hover(report: Path, open_page: Open) -> None:
    """The mouse over a support image shows prompt, caption and similarity; elsewhere they vanish."""
    page = open_page(report)
    tile = page.locator("#support .tile").nth(2)
    tile.scroll_into_view_if_needed()
    tile.hover()
    tip = page.locator("#tip")
    assert tip.is_visible()
    for word in ("banded", "a photo of a banded texture.", "number 2", "similarity", "0.352"):
        assert word in tip.inner_text()
    page.locator("#support h2").hover()
    assert not tip.is_visible()


def test_provenance_on_focus_with_arrow_keys(report: Path, open_page: Open) -> None:
    """A montage is one tab stop; arrows move in it and the description follows the focus; Escape hides it."""
    page = open_page(report)
    montage = page.locator("#support .montage").first
    assert montage.locator(".tile[tabindex='0']").count() == 1
    montage.locator(".tile[tabindex='0']").focus()
    tip = page.locator("#tip")
    assert "number 0" in tip.inner_text()
    page.keyboard.press("ArrowRight")
    assert "number 1" in tip.inner_text()
    assert page.evaluate("document.activeElement.getAttribute('aria-describedby')") == "tip"
    page.keyboard.press("End")
    assert "number 5" in tip.inner_text()
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    assert montage.locator(".tile[tabindex='0']").count() == 1


def test_rejected_images_are_folded_with_their_reasons(report: Path, open_page: Open) -> None:
    """Closed at first; the summary counts the reasons; opened, each picture tells its own."""
    page = open_page(report)
    details = page.locator("#support article details").first
    assert not details.locator(".tile").first.is_visible()
    assert re.search(
        r"2 rejected.*: (not this class|duplicate|unreadable|nsfw) 1",
        details.locator("summary").text_content(),
    )
    details.locator("summary").click()
    details.locator(".tile").first.hover()
    assert "rejected by" in page.locator("#tip").inner_text()


def test_figures_draw_and_answer_the_mouse(report: Path, open_page: Open) -> None:
    """Every figure is drawn offline; the mouse over a bar shows the class and its two accuracies."""
    page = open_page(report)
    assert _draw_all(page) == len(json.loads(page.locator("#specs").text_content()))
    assert page.locator(".plot .main-svg").count() >= page.locator(".plot").count()
    assert set(page.locator(".modebar-btn").evaluate_all("all => all.map(b => b.dataset.title)")) <= {
        "Download plot as a PNG",
        "Download plot as a png",
        "Zoom",
        "Pan",
        "Reset axes",
    }
    plot = page.locator("#classes .plot").first
    plot.scroll_into_view_if_needed()
    bar = plot.locator(".bars .point path").last
    box = bar.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#classes .plot .hoverlayer .hovertext")
    assert "→" in plot.locator(".hovertext").text_content()


def test_the_bar_of_sections_holds_links_alone_and_stays_low(report: Path, open_page: Open) -> None:
    """What a section shows stands in the page, not in the bar above it, which would cover the page."""
    page = open_page(report)
    assert page.locator("nav section").count() == 0
    assert page.locator("nav").first.bounding_box()["height"] < 120
    assert page.locator("main > section#credits").count() == 1


def test_a_printed_page_has_all_figures(report: Path, open_page: Open) -> None:
    """Figures far below the screen are drawn without anyone scrolling there."""
    page = open_page(report)
    figures = page.locator(".plot").count()
    page.locator(".plot:has(.main-svg)").nth(figures - 1).wait_for(state="attached")
    assert figures > 3
    assert len(page.pdf()) > 100_000


def test_theme_follows_the_system_then_the_reader(report: Path, open_page: Open) -> None:
    """Dark for a dark system; the button turns it, figures included, and the choice is remembered."""
    page = open_page(report, color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    assert page.locator("#theme").inner_text() == "Light theme"
    page.locator("#classes .plot").first.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('#classes .plot').dataset.drawn === 'dark'")
    page.locator("#theme").click()
    light = page.evaluate(background)
    assert light != dark
    page.wait_for_function("() => document.querySelector('#classes .plot').dataset.drawn === 'light'")
    page.reload()
    assert page.evaluate(background) == light
    assert page.locator("#theme").inner_text() == "Dark theme"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_script_there_is_no_button_that_does_nothing(
    report: Path, open_page: Open, scheme: str
) -> None:
    """The page follows the system; a button could not turn it, and its label might be wrong."""
    page = open_page(report, color_scheme=scheme, java_script_enabled=False)
    assert not page.locator("#theme").is_visible()


def test_classes_can_be_found(report: Path, open_page: Open) -> None:
    """Typing part of a name leaves the classes that have it."""
    page = open_page(report)
    page.locator("#find").fill("BAND")
    names = page.locator("article.class:visible h3").all_text_contents()
    assert names == ["banded 6 kept, 2 rejected", "banded 1 6 kept, 2 rejected"]
    assert page.locator("#found").inner_text() == "2 of 12 classes"


def test_command_is_copied_or_selected(report: Path, open_page: Open) -> None:
    """The button leaves the whole command on the clipboard or selected."""
    page = open_page(report)
    page.locator("#copy").click()
    page.wait_for_function("() => document.getElementById('copied').textContent !== ''")
    assert "susx build --dataset dtd" in page.locator("#command").inner_text()


def test_markup_in_names_is_text_in_figures_and_tips(tmp_path: Path, open_page: Open) -> None:
    """A class called like a script runs nothing, in the page, in a tip and in a figure."""
    full = sample_report(classes=2, per_class=2)
    evil = "<img src=x onerror=\"window.hit=1\"> </script><script>window.hit=1</script> & 'q'"
    rename = {full.classes[0]: evil}
    data = dataclasses.replace(
        full,
        classes=tuple(rename.get(n, n) for n in full.classes),
        support=tuple(
            dataclasses.replace(
                s,
                row=dataclasses.replace(
                    s.row, class_name=rename.get(s.row.class_name, s.row.class_name), caption=evil
                ),
            )
            for s in full.support
        ),
        changes=tuple(
            dataclasses.replace(c, class_name=rename.get(c.class_name, c.class_name)) for c in full.changes
        ),
        confusions=(),
    )
    page = open_page(write_report(data, tmp_path))
    _draw_all(page)
    page.locator("#support .tile").first.hover()
    assert evil in page.locator("#tip").inner_text()
    assert page.evaluate("window.hit") is None


def test_without_accuracies_the_page_works(tmp_path: Path, open_page: Open) -> None:
    """Support images alone make a page without errors, and it says why there are no accuracies."""
    full = sample_report(classes=2, per_class=2)
    data = ReportData(
        full.run, full.classes, support=full.support, stages=full.stages, no_accuracy="No test images here."
    )
    page = open_page(write_report(data, tmp_path))
    assert "No test images here." in page.locator("#headline").inner_text()
    assert page.locator("#methods").count() == 0
    assert _draw_all(page) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_contrast_with_what_they_stand_on(report: Path, open_page: Open, scheme: str) -> None:
    """Every piece of text reaches WCAG AA: 4.5 to 1, or 3 to 1 when it is large."""
    page = open_page(report, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    poor = page.evaluate(
        """() => {
        const parse = (c) => { const n = c.match(/[\\d.]+/g).map(Number); return n.length === 3 ? [...n, 1] : n; };
        const lum = ([r, g, b]) => { const f = (v) => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; };
          return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
        const behind = (el) => { for (let e = el; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor);
          if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
        const poor = new Set();
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
          const el = walker.currentNode.parentElement;
          if (!walker.currentNode.textContent.trim() || el.closest('script, .plot, .sr, [hidden]') || !el.getClientRects().length) continue;
          const s = getComputedStyle(el), size = parseFloat(s.fontSize);
          const [a, b] = [lum(parse(s.color)), lum(behind(el))].sort((x, y) => y - x);
          const need = size >= 24 || (size >= 18.66 && Number(s.fontWeight) >= 700) ? 3 : 4.5;
          if ((a + .05) / (b + .05) < need) poor.add(`${el.tagName}.${el.className}: ${((a + .05) / (b + .05)).toFixed(2)}`);
        }
        return [...poor];
      }"""
    )
    assert poor == []


def test_structure_for_screen_readers(report: Path, open_page: Open) -> None:
    """One h1, no level skipped, every image described, every control named, every table captioned, a skip link first."""
    page = open_page(report)
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]))")
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.evaluate(
        "[...document.querySelectorAll('button')].every(b => b.textContent.trim() || b.ariaLabel)"
    )
    assert page.locator(".plot:not([aria-label])").count() == 0
    assert page.evaluate(
        "new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size === document.querySelectorAll('[id]').length"
    )
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_narrow_screen_does_not_scroll_sideways(report: Path, open_page: Open) -> None:
    """On a telephone only tables scroll, not the page; figures drawn on a wide screen follow when it narrows."""
    page = open_page(report)
    assert _draw_all(page) > 0
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.wait_for_function(
        "() => [...document.querySelectorAll('.plot .main-svg')].every(s => s.getBoundingClientRect().width <= 360)"
    )


@pytest.mark.parametrize("classes", [12, 47])
def test_names_under_a_figure_have_room_on_a_telephone(tmp_path: Path, open_page: Open, classes: int) -> None:
    """Those that have none are left out; they come back on a wide screen."""
    page = open_page(write_report(sample_report(classes=classes, per_class=1), tmp_path))
    page.set_viewport_size({"width": 390, "height": 844})
    _draw_all(page)
    gaps = """() => [...document.querySelectorAll('.plot')].flatMap(plot => ['x', 'y'].map(side => {
        const key = side === 'x' ? 'left' : 'top';
        const at = [...plot.querySelectorAll(`.${side}tick text`)].map(t => t.getBoundingClientRect())
          .map(r => side === 'x' ? r.right : (r.top + r.bottom) / 2).sort((a, b) => a - b);
        return at.length < 4 ? 99 : Math.min(...at.slice(1).map((v, i) => v - at[i]));
    }))"""
    named = "document.querySelectorAll('#classes .plot:first-of-type .xtick').length"
    page.wait_for_function(f"() => Math.min(...({gaps})()) >= 13")
    few = page.evaluate(named)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_function(f"() => {named} >= {classes} && {named} > {few if classes > 20 else 0}")


def test_a_method_that_changes_nothing_has_words_in_place_of_an_empty_frame(
    tmp_path: Path, open_page: Open
) -> None:
    """Where the headline equals zero-shot the section of classes says so."""
    full = sample_report(classes=4, per_class=1)
    same = tuple(dataclasses.replace(change, after=change.before) for change in full.changes)
    page = open_page(write_report(dataclasses.replace(full, changes=same), tmp_path))
    assert "No class gains and none loses" in page.locator("#classes").inner_text()
    assert page.locator("#classes h3", has_text="Gain and loss").count() == 0
    assert page.locator("nav a[href='#classes']").count() == 1


@pytest.mark.parametrize("width", [1280, 1024, 800, 390])
def test_no_number_of_the_methods_is_cut(report: Path, open_page: Open, width: int) -> None:
    """Every cell of both tables lies within what is seen without scrolling sideways, its words on one line."""
    page = open_page(report)
    page.set_viewport_size({"width": width, "height": 900})
    page.locator(".further summary").click()
    cut = page.evaluate(
        """() => [...document.querySelectorAll('.methods td.num, .scores td.num, .methods th[scope=row]')].filter(cell => {
            const seen = cell.closest('.scroll').getBoundingClientRect(), box = cell.getBoundingClientRect();
            return box.right > seen.right + 1 || box.left < seen.left - 1;
        }).map(cell => cell.innerText)"""
    )
    assert cut == []
    assert page.locator(".methods td.num").count() > 0
