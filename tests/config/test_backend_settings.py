"""The ``retrieval`` section: each backend's own settings, and no one else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from susx.config import RetrievalConfig, load_profile
from susx.encoder_id import EncoderId
from susx.errors import ConfigError, RetrievalError
from susx.images.retrieve.backends import BACKENDS, BackendSettings, backend_settings

ENCODER = EncoderId("words", "d" * 64, "fp32")
OWN = {
    name: next(key for key in kind.model_fields if key not in BackendSettings.model_fields) for name, kind in BACKENDS.items()
}  # fmt: skip


@pytest.mark.parametrize("name", BACKENDS)
def test_a_backend_has_its_own_settings_alone(name: str) -> None:
    """Its own are taken; those of another are refused with their whole name; the empty section is complete."""
    assert backend_settings(RetrievalConfig(backend=name)).backend == name
    foreign = next(key for key in OWN.values() if key not in BACKENDS[name].model_fields)
    with pytest.raises(ConfigError, match=f"unknown key 'retrieval.{foreign}' of the backend '{name}'"):
        backend_settings(RetrievalConfig.model_validate({"backend": name, foreign: "1"}))


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"backend": "indx"}, "there is no backend 'indx'.*index"),
        ({"backend": "service", "rate_limit": 0}, r"retrieval.rate_limit: .*greater than 0 \(found 0\)"),
        ({"backend": "urls", "rank": "best"}, "retrieval.rank: .*'caption' or 'embedding'"),
    ],
)
def test_wrong_settings_are_named(section: dict[str, object], words: str) -> None:
    """What was expected, and what was found."""
    with pytest.raises(ConfigError, match=words):
        backend_settings(RetrievalConfig.model_validate(section))


def test_another_backend_leaves_the_settings_of_the_profile_s_own() -> None:
    """A profile's URL means nothing to a folder; what the command line says itself is never dropped."""
    chosen = load_profile("clip-vit-b32", ["retrieval.backend=index", "retrieval.folder=here"]).retrieval
    assert backend_settings(chosen).model_dump() == {
        "backend": "index",
        "over_fetch": 3.0,
        "licence": (),
        "folder": "here",
    }
    kept = load_profile("clip-rn50-paper", ["retrieval.timeout=3"]).retrieval
    assert backend_settings(kept).model_dump()["query"] == "text"
    with pytest.raises(ConfigError, match=r"unknown key 'retrieval\.url'"):
        backend_settings(
            load_profile("demo", ["retrieval.backend=index", "retrieval.url=http://x"]).retrieval
        )


@pytest.mark.parametrize("name", ["features", "index", "lance", "parquet", "service", "urls"])
def test_a_source_that_is_not_given_or_not_there(name: str, tmp_path: Path) -> None:
    """One paragraph that says which setting, before anything is opened."""
    key = {"service": "url", "urls": "urls", "parquet": "data", "lance": "data"}.get(name, "folder")
    with pytest.raises(ConfigError, match=f"needs retrieval.{key}"):
        backend_settings(RetrievalConfig(backend=name)).identity(ENCODER)
    if name != "service":
        lost = RetrievalConfig.model_validate({"backend": name, key: str(tmp_path / "lost")})
        with pytest.raises(RetrievalError, match=f"retrieval.{key}.*not there"):
            backend_settings(lost).identity(ENCODER)
