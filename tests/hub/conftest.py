"""A Hub that every test of this folder may ask for."""

from __future__ import annotations

import huggingface_hub.constants
import pytest

from susx.testing.http_hub import LocalHub


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub on loopback, a token, and a cache of its own."""
    with LocalHub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", "hf_test")
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        # The server here speaks LFS, as Hubs without Xet's storage do; read by the library when it is imported.
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        yield server
