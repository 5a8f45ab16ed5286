"""What a person reads when a diffusion model cannot be loaded: one paragraph with id, revision and what to try."""

from __future__ import annotations

import re
from collections.abc import Iterator

from susx.errors import ModelError

__all__ = ["ALTERNATIVES", "explain_load_failure"]

#: Repositories that are public at the time of writing and close to what the papers used.
ALTERNATIVES = (
    "CompVis/stable-diffusion-v1-4",
    "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "stabilityai/sd-turbo",
    "stabilityai/sdxl-turbo",
)

#: Names of huggingface_hub's error classes -> what happened. The first that occurs in the chain wins.
_CAUSES = {
    "GatedRepoError": "it is gated: accept its licence on its page, then log in with `huggingface-cli login`",
    "RevisionNotFoundError": "the repository exists, but not in this revision",
    "RepositoryNotFoundError": "there is no such repository (it was renamed or withdrawn, or it is private)",
    "DisabledRepoError": "the repository has been disabled by its host",
    "OfflineModeIsEnabled": "the hub client is in offline mode and the model is not in its cache",
    "LocalEntryNotFoundError": "it is not in the local cache and the hub could not be reached",
    "EntryNotFoundError": "the repository lacks a file of a diffusers pipeline (model_index.json or weights)",
    "HFValidationError": "this is neither an existing folder nor a well-formed repository id",
    "ConnectionError": "the hub could not be reached",
    "ConnectError": "the hub could not be reached",
    "Timeout": "the hub did not answer in time",
}  # fmt: skip


def explain_load_failure(model: str, revision: str | None, error: BaseException) -> ModelError:
    """Turn what diffusers or the hub client raised into one paragraph."""
    name = f"'{model}'" + (f" in revision '{revision}'" if revision else " (default revision)")
    names = {kind.__name__ for link in _chain(error) for kind in type(link).__mro__}
    cause = next((text for kind, text in _CAUSES.items() if kind in names), None)
    if cause is None and (unmapped := re.search(r"can't find a pipeline linked to (\w+)", str(error))):
        cause = f"its pipeline is {unmapped[1]}, which this diffusers does not know as one that draws from text (AutoPipelineForText2Image)"
    if cause is None:
        first = str(error).strip().splitlines()
        cause = f"{type(error).__name__}: {first[0][:300] if first else 'no message'}"
    others = ", ".join(option for option in ALTERNATIVES if option != model)
    return ModelError(
        f"The diffusion model {name} could not be loaded: {cause}. Give the path of a folder written by "
        f"`save_pretrained`, or another model (for example {others}), or 'demo', which is embedded and needs no network."
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and everything it was raised from or during."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
