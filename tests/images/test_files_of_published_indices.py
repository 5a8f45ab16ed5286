"""Indices and answers as they are published: parts without partners, rows without links, fields of any kind, links of any spelling."""

from __future__ import annotations

import http.server
import io
import json
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from susx.config import DownloadConfig
from susx.encoder_id import EncoderId
from susx.errors import InputError, RetrievalError
from susx.images.fetch.opt_out import opted_out
from susx.images.retrieve import Candidate, check_any_there, download, fetch_images
from susx.images.retrieve.backends.answer_rows import usable_rows
from susx.images.retrieve.backends.index import IndexBackend
from susx.images.retrieve.backends.part_pairs import feature_files, metadata_files
from susx.images.retrieve.index_add import add_index
from susx.images.retrieve.index_build import build_index
from susx.images.retrieve.link_spelling import MalformedLink, spelled_for_servers
from susx.images.retrieve.queries import Query
from susx.testing.encoders import WordEncoder

ENCODER = WordEncoder()
CAPTIONS = [f"word{n} of row {n}" for n in range(120)]
ROWS = ENCODER.encode_texts(CAPTIONS).numpy().astype(np.float16)


def _index(folder: Path, features: dict[str, tuple[int, int]], tables: dict[str, tuple[int, int]]) -> Path:
    for name in ("img_emb", "metadata"):
        (folder / name).mkdir(parents=True)
    for name, (start, end) in features.items():
        np.save(folder / "img_emb" / f"img_emb_{name}.npy", ROWS[start:end])
    for name, (start, end) in tables.items():
        table = pd.DataFrame(
            {"url": [f"https://x.org/{n}.jpg" for n in range(start, end)], "caption": CAPTIONS[start:end]}
        )
        table.to_parquet(folder / "metadata" / f"metadata_{name}.parquet")
    return folder


def _tens(form: str, *numbers: int) -> dict[str, tuple[int, int]]:
    return {form.format(n): (10 * n, 10 * n + 10) for n in numbers}


@pytest.mark.parametrize(
    ("features", "tables", "lonely"),
    [
        (_tens("{}", 0, 1, 2), _tens("{}", 0, 1, 3), "img_emb_2.npy, metadata_3.parquet"),
        (_tens("{}", 1, 2, 3), _tens("{}", 0, 1, 2), "img_emb_3.npy, metadata_0.parquet"),
        (_tens("{:04d}", 0, 1), _tens("{:04d}", 0, 1, 2), "metadata_0002.parquet"),
        ({"0": (0, 40), "1": (40, 100)}, {"0": (0, 60), "1": (60, 100)}, "img_emb_0.npy holds 40 rows"),
    ],
)
def test_parts_without_their_partners_are_refused(
    features: dict[str, tuple[int, int]], tables: dict[str, tuple[int, int]], lonely: str, tmp_path: Path
) -> None:
    """As an index that is added, and as one that is searched where it lies."""
    folder = _index(tmp_path / "published", features, tables)
    with pytest.raises(InputError, match=lonely):
        add_index(tmp_path / "new", ENCODER, folder)
    assert not (tmp_path / "new").exists()
    with pytest.raises(RetrievalError, match=lonely):
        IndexBackend(folder, ENCODER)


@pytest.mark.parametrize("added", [True, False])
@pytest.mark.parametrize("form", ["{:04d}", "{}", "part-{}"])
def test_partners_are_told_by_number_whatever_its_form(form: str, added: bool, tmp_path: Path) -> None:
    folder = _index(tmp_path / "published", _tens(form, *range(12)), _tens("{}", *range(12)))
    (folder / "img_emb" / "._img_emb_0.npy").write_bytes(b"macOS")
    assert [path.name for path in metadata_files(folder)] == [
        f"metadata_{int(''.join(filter(str.isdigit, path.stem)))}.parquet" for path in feature_files(folder)
    ]
    if added:
        add_index(tmp_path / "new", ENCODER, folder)
    backend = IndexBackend(tmp_path / "new" if added else folder, ENCODER)
    for at in (0, 17, 35, 119):
        query = Query("c", CAPTIONS[at], CAPTIONS[at], 1)
        [[best]] = backend.search_vectors([query], ROWS[at : at + 1].astype(np.float32))
        assert (best.url, best.caption) == (f"https://x.org/{at}.jpg", CAPTIONS[at])


def test_paths_count_from_the_folder_that_clip_retrieval_ran_in(tmp_path: Path) -> None:
    """``clip-retrieval inference photos emb`` writes ``photos/x.jpg`` into ``emb/``."""
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "photos" / "x.jpg")
    folder = _index(tmp_path / "out" / "emb", _tens("{}", 0), {})
    table = pd.DataFrame({"image_path": ["photos/x.jpg"] + ["photos/gone.jpg"] * 9})
    table.to_parquet(folder / "metadata" / "metadata_0.parquet")
    [hits] = IndexBackend(folder, ENCODER).search_vectors(
        [Query("c", "a", "a", 10)], ROWS[:1].astype(np.float32)
    )
    there = [hit.path for hit in hits if Path(str(hit.path)).is_file()]
    assert there == [str(tmp_path / "photos" / "x.jpg")]


def test_a_candidate_with_neither_link_nor_file_is_rejected_by_name(tmp_path: Path) -> None:
    candidate = Candidate("c", "p", "q", "index:3", 0.3, source="index")
    [row] = fetch_images([candidate], tmp_path / "a", tmp_path / "w", DownloadConfig())
    assert (row.rejected, row.file) == ("no-link", "")
    [row] = fetch_images([candidate], tmp_path / "b", tmp_path / "w", DownloadConfig(), pooled=True)
    assert row.kept


def test_files_that_are_nowhere_are_told_with_count_and_one_path() -> None:
    with pytest.raises(RetrievalError, match=r"None of the 2 images .* first /gone/a.jpg"):
        check_any_there(["/gone/a.jpg", "/gone/b.jpg"], 0)
    with pytest.raises(RetrievalError, match="found 3 images of which the index names neither a link"):
        check_any_there([], 3)
    check_any_there([], 0)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
_FIELDS = st.sampled_from(
    ["similarity", "url", "URL", "image", "caption", "id", "NSFW", "LICENSE", "image_path"]
)


@given(st.lists(st.dictionaries(_FIELDS, _JSON), max_size=6), st.integers(1, 4))
def test_rows_of_any_json_are_used_or_counted(rows: list[dict[str, Any]], wanted: int) -> None:
    kept, left_out = usable_rows(rows, wanted)
    assert len(kept) <= wanted
    assert len(kept) + sum(left_out.values()) == len(rows)
    for row in kept:
        assert np.isfinite(row["similarity"])
        assert row["image"] or row.get("url") or row.get("URL")
        json.dumps(row, ensure_ascii=False).encode()  # no lone surrogates


def test_what_is_wrong_with_a_row_is_counted() -> None:
    sound = {"similarity": 0.3, "url": "http://x/1.jpg"}
    odd = [
        {**sound, "similarity": value} for value in (None, "0.3", [1], {}, float("nan"), 10**400, 1e308, True)
    ]
    kept, left_out = usable_rows([sound, *odd, {"similarity": 0.1, "id": 4}], 9)
    assert kept == [{**sound, "image": None}]
    assert left_out == Counter({"'similarity' is no number": 8, "neither 'url' nor 'image'": 1})
    assert usable_rows([sound] * 3000, 4)[1] == {"more than asked for": 2996}


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("http://x.org/peñoles 写.jpg", "http://x.org/pe%C3%B1oles%20%E5%86%99.jpg"),
        ("http://x.org/pe%C3%B1oles%20x.jpg", "http://x.org/pe%C3%B1oles%20x.jpg"),
        ("http://x.org/100%.jpg", "http://x.org/100%25.jpg"),
        ("  HTTP://X.org/a.jpg#top  ", "http://x.org/a.jpg"),
        ("http://x.org/q?w=80&amp;h=60", "http://x.org/q?w=80&h=60"),
        ("http://x.org/q?t=mariée b", "http://x.org/q?t=mari%C3%A9e%20b"),
        ("http://bücher.example/a.jpg", "http://xn--bcher-kva.example/a.jpg"),
        ("http://u:p@x.org:81/a", "http://u:p@x.org:81/a"),
        ("//x.org/a.jpg", "https://x.org/a.jpg"),
        ("http://x.org\\win\\a.jpg", "http://x.org/win/a.jpg"),
        ("http://x.org/new\nline.jpg", "http://x.org/newline.jpg"),
        ("http://x.org/x[1]{a}|b.jpg", "http://x.org/x%5B1%5D%7Ba%7D%7Cb.jpg"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
        ("http://x.org", "http://x.org/"),
    ],
)
def test_links_are_spelled_as_browsers_send_them(written: str, sent: str) -> None:
    assert spelled_for_servers(written) == sent
    assert spelled_for_servers(sent) == sent


@given(st.text() | st.text().map("http://h/{}".format) | st.text().map("https://{}/x".format))
@settings(max_examples=300)
def test_any_text_is_a_link_in_ascii_or_malformed(text: str) -> None:
    try:
        sent = spelled_for_servers(text)
    except MalformedLink:
        return
    if sent.startswith(("http://", "https://")):
        assert sent.isascii()
        assert not any(c.isspace() for c in sent)
        assert spelled_for_servers(sent) == sent


@pytest.mark.parametrize(
    ("values", "directive"),
    [
        (["noai, max-image-preview:large"], "noai"),
        (["max-image-preview:large, noai"], "noai"),
        (["none"], "none"),
        (["*: noai"], "noai"),
        (["susx: noindex"], "noindex"),
        (["googlebot: noindex"], ""),
        (["googlebot: nofollow", "NOIMAGEAI"], "noimageai"),
        (["otherbot: noindex, nofollow, susx: noai"], "noai"),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST"], ""),
        (["noarchive; noai"], "noai"),
        (["all", "max-snippet:-1"], ""),
        ([], ""),
    ],
)
def test_every_form_of_an_opt_out(values: list[str], directive: str) -> None:
    assert opted_out(values) == directive


class _Server(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        path = self.path
        moved = {
            "/rel": "here/a.jpg",
            "/uni": "/peñoles.jpg".encode().decode("latin-1"),
            "/space": "/a b.jpg",
        }
        if path in moved:
            self.send_response(302)
            self.send_header("Location", moved[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        told = self.headers.get("Authorization") == "Basic dXNlcjpwYXNz"
        if (
            (path == "/cred.jpg" and not told)
            or (path.startswith("/amp") and path != "/amp?w=8&h=6")
            or not path.isascii()
        ):
            self.send_error(404)
            return
        file = io.BytesIO()
        Image.fromarray(np.random.default_rng(len(path)).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(
            file, "JPEG"
        )
        self.send_response(200)
        if path.startswith("/optout"):
            self.send_header("X-Robots-Tag", "noai, max-image-preview:large")
        self.send_header("Content-Length", str(len(file.getvalue())))
        self.end_headers()
        self.wfile.write(file.getvalue())


@pytest.fixture
def base() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_links_that_a_browser_opens_give_images(base: str, tmp_path: Path) -> None:
    """Each is kept under the link as it was written; what fails says why; two spellings of one link are one request."""
    links = [
        base + path
        for path in (
            "/peñoles.jpg",
            "/a b.jpg",
            "/rel",
            "/uni",
            "/space",
            "/amp?w=8&amp;h=6",
            "/f.jpg#x",
            "/f.jpg",
        )
    ]
    links += [
        base.replace("http://", "http://user:pass@") + "/cred.jpg",
        base.replace("http", "HTTP", 1) + "/up.jpg",
        base + "\\w.jpg",
    ]
    bad = {
        base + "/optout.jpg": "opted-out",
        "no link at all": "malformed-link",
        "ftp://x.org/a.jpg": "refused-scheme",
    }
    config = DownloadConfig(allow_private=True, retries=0, processes=1, timeout=5)
    fates = download([*links, *bad], tmp_path, config)
    assert {link: fates[link].reason for link in links} == dict.fromkeys(links, "")
    assert {link: fates[link].reason for link in bad} == bad
    again = download([base + "/optout.jpg"], tmp_path, config.model_copy(update={"respect_opt_out": False}))
    assert again[base + "/optout.jpg"].file


class _Means:
    identity, batch_size = EncoderId("means", "d" * 64), 8

    def encode_images(self, images: Any) -> np.ndarray:
        rows = np.stack(
            [
                np.asarray(Image.open(image).convert("RGB").resize((4, 4)), np.float32).ravel()
                for image in images
            ]
        )
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_an_index_in_a_folder_with_brackets(tmp_path: Path) -> None:
    folder = tmp_path / "runs [2024]"
    (folder / "pics").mkdir(parents=True)
    for number in range(3):
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(
            folder / "pics" / f"{number}.jpg"
        )
    (folder / "pics" / "x.heic").write_bytes(b"x")
    made = build_index(folder / "ix", _Means(), images=folder / "pics", tool="susx")
    assert made.rows == 3
    assert made.rejected == {"of a format that is not decoded (.heic)": 1}
