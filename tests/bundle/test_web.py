"""The page in a real browser: the folder of the web export from a static server, and the service's own at ``/``."""

from __future__ import annotations

import contextlib
import csv
import functools
import http.server
import io
import json
import os
import shutil
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from susx.bundle import Bundle, load_bundle
from susx.bundle.check_pictures import drawn_pictures
from susx.bundle.web import export_web
from susx.bundle.web.vendor import FILES, PACKAGE, VERSION, vendor
from susx.classifier.connections import create_server
from susx.classifier.serve import create_app
from susx.classifier.service_limits import Limits
from susx.errors import ConfigError, InputError, StoreError
from tests.bundle.conftest import sealed_again


@pytest.fixture(scope="module")
def web(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported folder; onnxruntime-web comes from npm once a session."""
    out = tmp_path_factory.mktemp("web") / "page"
    before = os.environ.get("SUSX_CACHE")
    os.environ["SUSX_CACHE"] = os.path.join(os.environ["SUSX_TEST_SESSION"], "cache")
    try:
        said = export_web(bundle_folder, out)
    except ConfigError as error:
        pytest.skip(str(error))
    finally:
        os.environ.pop("SUSX_CACHE") if before is None else os.environ.update(SUSX_CACHE=before)
    assert VERSION in said
    return out


@pytest.fixture(scope="module")
def photos(draw: Any, class_names: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Fifty pictures: textures in many sizes, drawn ones, transparent, grey, turned, and JPEG."""
    folder = tmp_path_factory.mktemp("photos")
    sizes = [(96, 96), (640, 427), (333, 500), (100, 61), (64, 64), (31, 300)]
    pictures = [draw(class_names[n % 8], n).resize(sizes[n % 6], Image.Resampling.BICUBIC) for n in range(34)]
    files = []
    for number, picture in enumerate([*pictures, *drawn_pictures(16, seed=9)]):
        path, options = folder / f"{number:02}.png", {}
        if number % 10 == 3:
            picture.putalpha(picture.convert("L"))
        elif number % 10 == 5:
            picture = picture.convert("L")
        elif number % 10 == 7:
            tags = Image.Exif()
            tags[0x0112] = 6
            path, options = path.with_suffix(".jpg"), {"exif": tags, "quality": 97, "subsampling": 0}
        picture.save(path, **options)
        files.append(path)
    return files


@contextlib.contextmanager
def serving_static(folder: Path) -> Iterator[str]:
    """Let Python's own static server show a folder: its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@contextlib.contextmanager
def serving_bundle(bundle: Bundle, limits: Limits) -> Iterator[str]:
    """Let the service answer with a bundle: its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = create_server(create_app(bundle, limits), limits)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join(60)


@pytest.fixture(scope="module")
def static(web: Path) -> Iterator[str]:
    """The folder behind a static server: its address."""
    with serving_static(web) as address:
        yield address


@pytest.fixture(scope="module")
def service(bundle_folder: Path) -> Iterator[str]:
    """The bundle's service: its address."""
    with serving_bundle(load_bundle(bundle_folder), Limits(timeout=120)) as address:
        yield address


class Visit:
    """A page that is open, with all that it asked for and complained of."""

    def __init__(self, browser: Any, address: str, **options: Any) -> None:
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console", lambda told: self.complaints.append(told.text) if told.type == "error" else None
        )
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)
        self.page.locator("body[data-ready=yes]").wait_for(timeout=120_000)

    def table(self) -> list[dict[str, str]]:
        """What the page offers as CSV, once it has classified everything."""
        self.page.locator("#csv:not([disabled])").wait_for(timeout=240_000)
        with self.page.expect_download() as download:
            self.page.locator("#csv").click()
        return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))


def test_fifty_pictures_have_the_class_that_predict_gives(
    browser: Any, static: str, photos: list[Path], bundle_folder: Path
) -> None:
    """Offline once the page is there; nothing is asked of another origin; no script fails."""
    visit = Visit(browser, static)
    try:
        visit.context.set_offline(True)
        visit.page.set_input_files("#files", [str(path) for path in photos])
        rows = visit.table()
        expected = load_bundle(bundle_folder).predict(photos, top_k=5)
        assert [row["image"] for row in rows] == [path.name for path in photos]
        assert [row["error"] for row in rows] == [""] * 50
        assert [row["class_name_1"] for row in rows] == [p.classes[0].class_name for p in expected]
        shares = np.array([float(row["probability_1"]) for row in rows])
        assert np.abs(shares - [p.classes[0].probability for p in expected]).max() < 0.02
        exact = [n for n, path in enumerate(photos) if path.suffix == ".png" and n % 10 != 3]
        assert np.abs(shares - [p.classes[0].probability for p in expected])[exact].max() < 1e-4
        assert [row["nearest"].split("|")[0] for row in rows] == [p.neighbours[0].row.file for p in expected]
        assert visit.page.locator("#results > li").count() == 50
        assert "answers mean nothing" in visit.page.locator("#notes").inner_text()
        assert [url for url in visit.asked if not url.startswith((static, "blob:", "data:"))] == []
        assert visit.complaints == []
    finally:
        visit.context.close()


def as_package(web: Path, folder: Path) -> Path:
    """Lay the runtime of an exported page out as npm's package has it."""
    (folder / "dist").mkdir(parents=True)
    shutil.copy(web / "ort" / "package.json", folder)
    for name in FILES:
        shutil.copy(web / "ort" / name, folder / "dist")
    return folder


@pytest.fixture(scope="module")
def knowing(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle with what is known of outsiders, at a threshold that some pictures of no texture stay below."""
    folder = Path(shutil.copytree(bundle_folder, tmp_path_factory.mktemp("knowing") / "bundle"))
    bundle = load_bundle(folder)
    cosines = (bundle.encode(drawn_pictures(16, seed=9)).pooled @ bundle.stored.classes.T).max(axis=1)
    threshold = float(np.median(cosines))
    known = {
        "thresholds": [threshold],
        "let_in": [0.1],
        "kept": [0.9],
        "inside": 0.4,
        "named": 50,
        "pool": 200,
    }
    sealed_again(folder, rejection=known)
    return folder


def test_pictures_of_none_of_the_classes_are_said_to_be(
    browser: Any, web: Path, knowing: Path, photos: list[Path], tmp_path: Path
) -> None:
    """The web export with --reject and the service's page call the same pictures none of these, as ``predict`` does."""
    out = tmp_path / "page"
    export_web(knowing, out, as_package(web, tmp_path / "npm"), reject=0.2)
    bundle = load_bundle(knowing, reject=0.2)
    expected = ["yes" if one.none_of_these else "no" for one in bundle.predict(photos[-20:])]
    assert set(expected) == {"yes", "no"}
    limits = Limits(timeout=120)
    for running in (serving_static(out), serving_bundle(bundle, limits)):
        with running as address:
            visit = Visit(browser, address)
            try:
                visit.page.set_input_files("#files", [str(path) for path in photos[-20:]])
                rows = visit.table()
                assert [row["none_of_these"] for row in rows] == expected
                shown = visit.page.locator("#results .best").all_inner_texts()
                assert sum(text.startswith("none of these (nearest: ") for text in shown) == expected.count(
                    "yes"
                )
                assert visit.complaints == []
            finally:
                visit.context.close()


def test_none_of_these_needs_something_known_of_outsiders(
    web: Path, bundle_folder: Path, tmp_path: Path
) -> None:
    """As predict refuses it; nothing is written."""
    with pytest.raises(InputError, match="knows nothing of images that are none of its classes"):
        export_web(bundle_folder, tmp_path / "page", reject=0.1)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_picture_has_its_reason(
    browser: Any, static: str, photos: list[Path], tmp_path: Path
) -> None:
    """A broken file stays in its place; a formula in a name is text in the table; the list can be cleared by the keyboard."""
    (tmp_path / "=1+1.png").write_bytes(b"no picture")
    visit = Visit(browser, static)
    try:
        visit.page.set_input_files("#files", [str(tmp_path / "=1+1.png"), str(photos[0])])
        rows = visit.table()
        assert {row["image"]: bool(row["error"]) for row in rows} == {
            "'=1+1.png": True,
            photos[0].name: False,
        }
        assert "1 could not be read" in visit.page.locator("#progress").inner_text()
        visit.page.locator("#clear").focus()
        visit.page.keyboard.press("Enter")
        assert visit.page.locator("#results > li").count() == 0
        visit.page.keyboard.press("Shift+Tab")
        assert visit.complaints == []
    finally:
        visit.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_the_services_page_on_a_telephone_and_in_the_dark(
    browser: Any,
    service: str,
    photos: list[Path],
    bundle_folder: Path,
    width: int,
    scheme: str,
    tmp_path: Path,
) -> None:
    """The same page asks the service; nothing is wider than the screen; colours follow the theme."""
    visit = Visit(browser, service, viewport={"width": width, "height": 740}, color_scheme=scheme)
    try:
        (tmp_path / "broken.png").write_bytes(b"no picture")
        visit.page.set_input_files("#files", [*map(str, photos[:6]), str(tmp_path / "broken.png")])
        rows = visit.table()
        expected = load_bundle(bundle_folder).predict(photos[:6])
        assert [row["class_name_1"] for row in rows[:6]] == [p.classes[0].class_name for p in expected]
        assert "none of JPEG" in rows[6]["error"]
        box = visit.page.locator("main").bounding_box()
        assert box["width"] <= width
        assert visit.page.locator("label.button").first.bounding_box()["height"] >= 44
        ground = visit.page.locator("body").screenshot()
        level = np.asarray(Image.open(io.BytesIO(ground)).convert("L"))[2, 2]
        assert bool(level < 100) is (scheme == "dark")
        assert [url for url in visit.asked if not url.startswith((service, "blob:", "data:"))] == []
        assert [
            c for c in visit.complaints if "400" not in c
        ] == []  # the browser notes the refusal of the broken file
    finally:
        visit.context.close()


def test_the_folder_is_whole_or_not_there(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written over; a wrong package and a machine without npm are refused, and leave nothing."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match="exists"):
        export_web(bundle_folder, tmp_path / "there")
    other = tmp_path / "package"
    other.mkdir()
    for content, said in (("{}", "no package of npm's"), (json.dumps({"name": "left-pad", "version": "1"}), "left-pad"),
                          (json.dumps({"name": PACKAGE, "version": "1"}), r"no dist/ort\.wasm")):  # fmt: skip
        (other / "package.json").write_text(content)
        with pytest.raises(InputError, match=said):
            export_web(bundle_folder, tmp_path / "out", other)
    (tmp_path / "x.tgz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="no archive of npm's"):
        export_web(bundle_folder, tmp_path / "out", tmp_path / "x.tgz")
    monkeypatch.setenv("SUSX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match="--onnxruntime-web PATH"):
        export_web(bundle_folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def test_an_archive_of_npms_is_taken_as_it_is(tmp_path: Path) -> None:
    """The three files, the description, and the licence with its text; what else lies in the archive stays there."""
    with tarfile.open(tmp_path / "p.tgz", "w:gz") as tar:
        files = {
            "package.json": json.dumps({"name": PACKAGE, "version": "9.9"}),
            **{f"dist/{name}": "x" for name in FILES},
        }
        for name, text in {**files, "dist/other.js": "y", "../../evil": "z"}.items():
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    assert vendor(tmp_path / "ort", tmp_path / "p.tgz") == "9.9"
    assert {path.name for path in (tmp_path / "ort").iterdir()} >= {*FILES, "package.json", "LICENSE"}
    assert "MIT License" in (tmp_path / "ort" / "LICENSE").read_text()
    assert not (tmp_path / "ort" / "other.js").exists()


def test_how_large_it_is_is_said_and_what_no_browser_can_do_is_refused(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond what a visitor waits for, beyond what a page can hold, and a filter that a page has not."""
    from susx.bundle.web import write_web

    package = tmp_path / "npm"
    (package / "dist").mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"name": PACKAGE, "version": "9.9"}))
    for name in FILES:
        (package / "dist" / name).write_text("x")
    assert "much for a visitor" not in export_web(bundle_folder, tmp_path / "small", package)
    monkeypatch.setattr(write_web, "LARGE", 1_000_000)
    assert "much for a visitor to wait for: --quantize int8" in export_web(
        bundle_folder, tmp_path / "large", package
    )
    with monkeypatch.context() as patch:
        patch.setattr(write_web, "_MOST", 1_000_000)
        with pytest.raises(ConfigError, match="more than 2 GB of weights"):
            export_web(bundle_folder, tmp_path / "refused", package)
    folder = Path(shutil.copytree(bundle_folder, tmp_path / "bundle"))
    told = json.loads((folder / "bundle.json").read_text())
    sealed_again(folder, pixels=told["pixels"] | {"interpolation": "nearest"})
    with pytest.raises(ConfigError, match="'nearest', which the page cannot do"):
        export_web(folder, tmp_path / "refused", package)
    assert not (tmp_path / "refused").exists()
