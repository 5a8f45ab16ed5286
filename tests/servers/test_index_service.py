"""An index built with clip-retrieval's tools over real JPEGs, searched on disk and through its real HTTP server."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image
from typer.testing import CliRunner

from susx.commands.index import app
from susx.config import DownloadConfig, EncoderConfig
from susx.errors import InputError, MismatchError, RetrievalError
from susx.features.encoder import load_encoder
from susx.images.retrieve import fetch_images, queries_for, unique_candidates
from susx.images.retrieve.backends.index import IndexBackend
from susx.images.retrieve.backends.service import ServiceBackend
from susx.images.retrieve.index_build import build_index
from susx.records import Prompt
from susx.testing.encoders import WordEncoder
from susx.testing.http_images import encoded, random_picture
from susx.testing.index_service import IndexService

REAL = os.environ.get("SUSX_REAL_DATA")
CLASSES = ("accordion", "butterfly", "ferry")


def photos(folder):
    """Real photographs where there are any, else drawn ones; plus odd and broken files."""
    if REAL:
        for source in sorted(Path(REAL, "photos").rglob("*.jpg")):
            target = folder / source.parent.name / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    else:
        for number in range(60):
            target = folder / CLASSES[number % 3] / f"{number}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(encoded(random_picture(number)))
    (folder / "clear.png").write_bytes(encoded(random_picture(900).convert("RGBA"), "PNG"))
    (folder / "cmyk.jpg").write_bytes(encoded(random_picture(901).convert("CMYK")))
    (folder / "cut.jpg").write_bytes(encoded(random_picture(902))[:700])
    (folder / "page.jpg").write_bytes(b"<html>")
    (folder / "clear.txt").write_text("a clear picture")
    return len(list(folder.rglob("*.*"))) - 3


@pytest.fixture(scope="module")
def encoder():
    return load_encoder(EncoderConfig(model="susx-tiny", device="cpu"))


@pytest.fixture(scope="module")
def built(tmp_path_factory, encoder):
    root = tmp_path_factory.mktemp("index")
    count = photos(root / "photos")
    return root, count, build_index(root / "index", encoder, images=root / "photos", part_size=100)


def queries(wanted=9):
    return [
        queries_for(name, [Prompt(name, f"A photo of a {name}.", "photo", 0)], None, wanted, over_fetch=1)[0]
        for name in CLASSES
    ]


def test_the_tools_index_everything_that_decodes(built, encoder):
    """clip-retrieval's inference embeds every good image as our encoder does; the bad ones are counted by reason."""
    root, count, manifest = built
    assert (manifest.rows, manifest.tool, manifest.dim) == (count, "clip-retrieval", encoder.dim)
    assert manifest.rejected == {"not-an-image": 1, "truncated": 1}
    backend = IndexBackend(root / "index", encoder)
    rows = backend.metadata.get(range(count))
    plain = [at for at, path in enumerate(rows.image_path) if path.endswith("jpg") and "cmyk" not in path]
    plain = plain[:40]
    stored = np.concatenate([np.load(f) for f in sorted((root / "index" / "img_emb").glob("*.npy"))])[plain]
    ours = encoder.encode_images([Path(rows.image_path[at]) for at in plain]).numpy()
    assert np.abs(stored - ours).max() < 2e-3
    assert [c for c, path in zip(rows.caption, rows.image_path, strict=True) if "clear" in path] == [
        "a clear picture"
    ]


def test_service_and_index_agree_and_images_arrive(built, encoder, tmp_path):
    """The real server gives what the index on disk gives, by embedding and by text, with images that decode."""
    root, count, _ = built
    local = IndexBackend(root / "index", encoder).search(queries(count))
    with IndexService(root / "index", encoder, tmp_path) as service:
        by_embedding = ServiceBackend(service.url, None, encoder, rate_limit=100).search(queries(count))
        by_text = ServiceBackend(service.url, "susx", encoder, query="text", rate_limit=100).search(queries())
        with pytest.raises(MismatchError, match=encoder.identity.model):
            ServiceBackend(service.url, None, WordEncoder()).search(queries())
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://{_other_address()}:{service.port}/indices-list", timeout=2)
        with pytest.raises(RetrievalError, match=r"HTTP 500.*index_name"):
            ServiceBackend(service.url, "other", encoder, attempts=1).search(queries())
    for ours, theirs, text in zip(local, by_embedding, by_text, strict=True):
        assert [c.item for c in theirs] == [c.item for c in ours]
        assert np.allclose([c.similarity for c in theirs], [c.similarity for c in ours], atol=1e-5)
        assert [c.item for c in text] == [c.item for c in ours[:9]]
    best = unique_candidates(candidate for found in by_embedding for candidate in found)
    assert len({c.item for c in best}) == len(best) == count
    rows = fetch_images(best, tmp_path / "artefact", tmp_path / "work", DownloadConfig())
    assert all(row.kept and Image.open(tmp_path / "artefact" / row.file).mode == "RGB" for row in rows)


def _other_address():
    # Any 127/8 address reaches a server that listens on every interface, and none that listens on 127.0.0.1 alone.
    return "127.0.0.2"


def test_a_current_index_is_left_alone_and_changes_are_seen(built, encoder):
    """Building again does nothing; the manifest follows the sources."""
    root, _, manifest = built
    before = (root / "index" / "image.index").stat().st_mtime_ns
    assert build_index(root / "index", encoder, images=root / "photos", part_size=100) == manifest
    assert (root / "index" / "image.index").stat().st_mtime_ns == before
    (root / "empty").mkdir(exist_ok=True)
    with pytest.raises(InputError, match="no images"):
        build_index(root / "other", encoder, images=root / "empty")


def test_a_killed_build_goes_on_and_ends_the_same(built, encoder, tmp_path):
    """After SIGKILL between parts the finished parts are kept, and the index equals that of an unbroken build."""
    root, _, _ = built
    whole = build_index(tmp_path / "whole", encoder, images=root / "photos", tool="susx", part_size=16)
    code = (
        "import sys; from pathlib import Path; from susx.config import EncoderConfig\n"
        "from susx.features.encoder import load_encoder\n"
        "from susx.images.retrieve.index_build import build_index\n"
        "encoder = load_encoder(EncoderConfig(model='susx-tiny', device='cpu'))\n"
        "build_index(Path(sys.argv[1]), encoder, images=Path(sys.argv[2]), tool='susx', part_size=16)\n"
    )
    target = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", code, str(target), str(root / "photos")])
    try:
        end = time.monotonic() + 240
        while time.monotonic() < end and process.poll() is None:
            done = [p for p in target.glob(".build/part-*") if not p.name.endswith(".part")]
            if len(done) >= 2:
                break
            time.sleep(0.005)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    kept = {p.name: p.stat().st_ino for p in target.glob(".build/part-*") if not p.name.endswith(".part")}
    assert len(kept) >= 2
    assert not (target / "susx_index.json").exists()
    resumed = build_index(target, encoder, images=root / "photos", tool="susx", part_size=16)
    assert (resumed.content, resumed.rows, resumed.rejected) == (whole.content, whole.rows, whole.rejected)
    for name in ("image.index", "metadata/metadata_00001.parquet", "img_emb/img_emb_00000.npy"):
        assert (target / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_command_prints_what_an_index_is(built):
    """``susx index info`` names encoder, size, dimension and the licence and NSFW columns."""
    root, count, manifest = built
    result = CliRunner().invoke(app, ["info", str(root / "index")])
    assert result.exit_code == 0
    for text in (manifest.encoder, str(count), str(manifest.dim), "LICENSE", "NSFW", "2"):
        assert text in result.stdout
