"""A download of weights is named before it starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest

from susx.config import EncoderConfig
from susx.errors import ModelError
from susx.features import identity
from susx.features.identity import identify_encoder
from susx.features.weights_download import announce_weights
from susx.testing.http_hub import LocalHub
from susx.testing.http_server import LoopbackServer, QuietHandler


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalHub]:
    """A Hub with the weights of one model, and an empty cache."""
    with LocalHub() as server:
        read_at_import = {
            "ENDPOINT": server.url, "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_DISABLE_XET": True, "HF_HUB_CACHE": str(tmp_path / "cache"),
        }  # fmt: skip
        for name, value in read_at_import.items():
            monkeypatch.setattr(huggingface_hub.constants, name, value)
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        identity._cached.cache_clear()
        yield server
        identity._cached.cache_clear()


def test_size_and_licence_are_told_before_the_download(
    hub: LocalHub, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """The first time; what is in the cache is not announced."""
    files = {
        "open_clip_model.safetensors": b"w" * 2_400_000,
        "open_clip_pytorch_model.bin": b"w" * 9,
        "README.md": b"",
    }
    hub.add("model", "somebody/clip", files, licence="mit")
    found = identify_encoder(EncoderConfig(model="hf-hub:somebody/clip"))
    assert found.weights.read_bytes() == files["open_clip_model.safetensors"]
    [said] = [one.getMessage() for one in caplog.records if one.name.endswith("weights_download")]
    assert said == (
        "The weights of the encoder hf-hub:somebody/clip are not on this machine: they are downloaded now from "
        "huggingface.co/somebody/clip (2 MB; licence: mit)."
    )
    asked = [line for line in hub.requests if "/resolve/" in line]
    assert hub.requests.index("GET /api/models/somebody/clip") < hub.requests.index(asked[0])
    caplog.clear()
    identity._cached.cache_clear()
    identify_encoder(EncoderConfig(model="hf-hub:somebody/clip"))
    assert not [one for one in caplog.records if one.name.endswith("weights_download")]


def test_nothing_to_tell(hub: LocalHub, caplog: pytest.LogCaptureFixture) -> None:
    """A repository that is not there: the announcement guesses nothing, and the error is that of the download."""
    with pytest.raises(ModelError, match="could not be had"):
        identify_encoder(EncoderConfig(model="hf-hub:somebody/none"))
    assert "size not told; licence: not told, see there" in caplog.text


def test_a_plain_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its length is asked for; a file in open_clip's cache is not announced."""

    class Handler(QuietHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "605000000")
            self.end_headers()

    monkeypatch.setenv("HOME", str(tmp_path))
    with LoopbackServer(Handler) as server:
        entry = {"url": f"http://{server.host}/weights.pt"}
        announce_weights("one", entry)
        assert "605 MB" in caplog.text
        caplog.clear()
        (tmp_path / ".cache" / "clip").mkdir(parents=True)
        (tmp_path / ".cache" / "clip" / "weights.pt").write_bytes(b"w")
        announce_weights("one", entry)
        assert not caplog.text
