"""What takes the place of a class's sentences where a data set has none."""

from __future__ import annotations

from susx.config import DatasetConfig, PromptsConfig

__all__ = ["without_sentences"]


def without_sentences(config: PromptsConfig, dataset: DatasetConfig) -> tuple[PromptsConfig, str]:
    """Return the prompts a data set can serve, and one line that says what was replaced ("" where nothing was).

    A data set that names no file of CuPL sentences gets the photo prompt for its images and the template ensemble for its
    text classifier. A file that is named and not there is no such case: reading it refuses.
    """
    if dataset.cupl is not None or all(dataset.prompts.get(name) for name in dataset.classes):
        return config, ""
    replaced, notes = {}, []
    if config.images == "cupl":
        replaced["images"] = "photo"
        notes.append("images are searched or drawn with the photo prompt")
    if config.classify in ("cupl", "cupl+ensemble"):
        replaced["classify"] = "ensemble"
        notes.append("the text classifier is the template ensemble")
    if not replaced:
        return config, ""
    return config.model_copy(update=replaced), (
        f"The data set '{dataset.name}' has no file of CuPL sentences: {' and '.join(notes)}"
        f" (susx prompts write --dataset {dataset.name} has sentences written)."
    )
