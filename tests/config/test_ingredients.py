"""What is not in a key is said on the field, and changes nothing that is kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from susx.config import load_profile
from susx.config.ingredients import Identified, NotInKey, ingredients
from susx.config.profile import ProfileConfig
from susx.images.retrieve.backends import backend_settings
from susx.pipeline.plan import plan_build
from susx.testing.world import new_world


def marked(model: type[BaseModel], kind: type, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted name and annotation of every field of a kind."""
    for name, field in model.model_fields.items():
        if any(isinstance(mark, kind) for mark in field.metadata):
            yield f"{at}{name}", field.annotation
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from marked(field.annotation, kind, f"{at}{name}.")


FREE = dict(marked(ProfileConfig, NotInKey))
VALUES = {str: "cpu", bool: True, int: 3, float: 0.5}


def test_the_fields_of_how_the_work_is_done_are_known():
    """Adding one is a decision: a result that depends on it would be taken for fresh."""
    assert set(FREE) == {
        "encoder.device", "encoder.batch_size", "encoder.workers", "generation.device", "generation.batch_size", "generation.channels_last",
        "generation.compile", "download.timeout", "download.retries", "download.processes", "download.threads", "download.min_attempts",
        "download.max_failure_rate",
    }  # fmt: skip
    assert set(dict(marked(ProfileConfig, Identified))) == {
        f"generation.{n}" for n in ("model", "revision", "variant")
    }


@pytest.mark.parametrize("name", FREE)
def test_they_make_nothing_stale(name, tmp_path):
    """The ingredients of a plan are the same, whatever their value."""
    world = new_world(tmp_path)
    before = plan_build(world.options)
    world.change(f"{name}={VALUES[FREE[name]]}")
    after = plan_build(world.options)
    assert after.profile != before.profile
    assert after.ingredients == before.ingredients


def test_patience_with_a_service_is_none_either():
    """A backend marks its own settings."""
    settings = ["retrieval.backend=service", "retrieval.url=http://127.0.0.1:1"]
    one, other = (
        ingredients(backend_settings(load_profile("demo", [*settings, *more]).retrieval))
        for more in ([], ["retrieval.timeout=3", "retrieval.attempts=9", "retrieval.rate_limit=1"])
    )
    assert one == other
    assert "timeout" not in one
    assert one["url"] == "http://127.0.0.1:1"


def test_a_fingerprint_stands_for_what_it_is_of():
    """Stages leave out what they have the fingerprint of; a report and the name of a run keep it."""
    generation = load_profile("demo", ["generation.model=a/b"]).generation
    assert ingredients(generation)["model"] == "a/b"
    assert "model" not in ingredients(generation, identified=False)
    assert ingredients(generation)["steps"] == generation.steps


def test_a_longer_timeout_leaves_a_build_fresh(tmp_path):
    """Report included, which has most of the profile among its ingredients."""
    world = new_world(tmp_path)
    world.change(
        "methods={tip_adapter: {}}", "headline=tip_adapter", "tuning=[fixed]", evaluate=False, per_class=1
    )
    world.build()
    world.change("download.timeout=20", "generation.batch_size=1", "encoder.batch_size=7")
    assert {entry.state for entry in world.plan()} == {"fresh"}
