"""The queries of a class as parameters of its search."""

from __future__ import annotations

import dataclasses

from susx.config import DatasetConfig, ProfileConfig
from susx.images.retrieve.queries import queries_for
from susx.prompts import image_prompts
from susx.types import Json

__all__ = ["query_params"]


def query_params(profile: ProfileConfig, dataset: DatasetConfig, class_name: str) -> list[Json]:
    """Return a class's queries; together they ask for ``per_class`` times ``over_fetch`` images."""
    prompts = image_prompts(profile.prompts, dataset, class_name)
    queries = queries_for(
        class_name, prompts, dataset.hints.get(class_name), profile.per_class,
        over_fetch=profile.retrieval.over_fetch, max_sentences=profile.prompts.sentences, seed=profile.seed,
    )  # fmt: skip
    return [{**dataclasses.asdict(query), "exclude": list(query.exclude)} for query in queries]
