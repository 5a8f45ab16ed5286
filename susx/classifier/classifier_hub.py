"""Classifiers on the Hugging Face Hub: pushed with a model card, fetched at one commit and checked as any folder is."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from susx.classifier.artefact import StoredClassifier
from susx.classifier.classifier_description import JSON, STATE, SUPPORT, TABLE
from susx.classifier.classifier_folder import read_classifier
from susx.errors import StoreError
from susx.hub import Accuracy, HubAddress, choose_licence, fetch, is_hub_address, upload
from susx.hub.cards import cell, eval_results, item, table
from susx.images.support.credits import citations, credits_of, owed
from susx.records import SupportRow
from susx.store.disk import whole_folder

__all__ = ["classifier_card", "locate_classifier", "pull_classifier", "push_classifier"]

logger = logging.getLogger(__name__)

FILES = frozenset({JSON, STATE, SUPPORT, TABLE})


def locate_classifier(source: str | os.PathLike[str]) -> Path:
    """Return the folder of a classifier, fetched first where ``source`` is an address on the Hub; that of a run has one inside.

    Raises:
        ConfigError, InputError, ServerError: see :func:`susx.hub.fetch`.
    """
    if not is_hub_address(source):
        folder = Path(source)
        inside = folder / "classifier"
        return inside if not (folder / JSON).is_file() and (inside / JSON).is_file() else folder
    fetched = fetch(HubAddress.parse(source, "model"), FILES.__contains__)
    logger.info("%s is %s", source, fetched.address)
    return fetched.folder


def pull_classifier(address: str, out: Path) -> HubAddress:
    """Copy a classifier of the Hub to a folder, whole and checked, and return its pinned address.

    Raises:
        StoreError: ``out`` exists or cannot be written.
        ConfigError, InputError, ServerError, DamagedArtefact, MismatchError: as fetching and reading; ``out`` is not made.
    """
    if out.exists():
        raise StoreError(f"{out} exists; give a new folder to pull to.")
    fetched = fetch(HubAddress.parse(address, "model"), lambda name: name in FILES or name == "README.md")
    read_classifier(fetched.folder)
    try:
        with whole_folder(out) as partial:
            fetched.copy(partial)
            read_classifier(partial)
    except OSError as error:
        raise StoreError(f"The classifier cannot be written to {out}: {error}.") from error
    return fetched.address


def push_classifier(
    folder: Path,
    address: str,
    *,
    licence: str | None = None,
    accuracies: Sequence[Accuracy] = (),
    private: bool = True,
) -> HubAddress:
    """Push a classifier in one commit and return the address of that commit.

    Args:
        folder: the classifier; checked first.
        address: hf://owner/name.
        licence: identifier of the card; else what all support images have (:func:`susx.hub.choose_licence`).
        accuracies: rows of the build that made it.
        private: whether a new repository is private.

    Raises:
        ConfigError, InputError, ServerError: see :func:`susx.hub.upload` and ``choose_licence``; nothing was pushed.
    """
    target = HubAddress.parse(address, "model")
    stored = read_classifier(folder)
    card = classifier_card(stored, target, choose_licence(licence, stored.rows), accuracies)
    files: dict[str, Path | bytes] = {
        name: folder.resolve() / name for name in FILES if (folder / name).is_file()
    }
    files["README.md"] = card.encode()
    return upload(
        target, files, replaces=lambda names: JSON in names, private=private,
        message=f"{stored.method.title}, {len(stored.facts.class_names)} classes",
    )  # fmt: skip


def classifier_card(
    stored: StoredClassifier, address: HubAddress, licence: str, accuracies: Sequence[Accuracy]
) -> str:
    """Return the model card: metadata in the Hub's form, and what the classifier is made of."""
    from huggingface_hub import ModelCard, ModelCardData

    facts = stored.facts
    dataset = facts.dataset or "unnamed"
    data = ModelCardData(
        license=licence, library_name="susx", pipeline_tag="image-classification",
        tags=["susx", "name-only", stored.method.name], model_name=address.repository.split("/")[1],
        base_model=facts.encoder.model.removeprefix("hf-hub:") if facts.encoder.model.startswith("hf-hub:") else None,
        eval_results=eval_results(accuracies, dataset) if accuracies else None,
    )  # fmt: skip
    prompts = {row.class_name: row.prompt for row in reversed(stored.rows)}
    images = Counter(row.class_name for row in stored.rows)
    sources = Counter((row.origin, row.model or "-", row.licence or "not stated") for row in stored.rows)
    values = json.dumps(stored.method.values(), default=str)
    calibrated = (
        f"{facts.calibrated_on}, {facts.calibration_images} images" if facts.calibrated_on else "nothing"
    )
    parts = [
        f"# {cell(dataset)}: {stored.method.title}",
        f"An image classifier of {len(facts.class_names)} classes made from their names by susx {_version()}.",
        f"```python\nimport susx\n\nclassifier = susx.load_classifier({str(address)!r})\n```",
        "As a bundle it runs without torch:\n\n"
        f"```console\n$ susx export --classifier {address} --format bundle --out bundle\n$ susx predict --bundle bundle photos/\n```",
        table(["", ""], [
            ["encoder", f"{facts.encoder.model} {facts.pretrained} (sha256 {facts.encoder.digest[:12]})"],
            ["prompts", f"{facts.prompts or 'not stated'} (sha256 {facts.prompts_digest[:12]})"],
            ["method", f"{stored.method.name} {values}"],
            ["chosen by", facts.tuning],
            ["calibrated on", f"{calibrated} (temperature {facts.temperature:.4g})"],
        ]),
        *(f"> {cell(note)}" for note in stored.notes),
        "## Accuracy",
        _accuracy_table(accuracies) if accuracies else "Not measured.",
        "## Sources and licences of the support images",
        "\n".join(f"* {cell(note)}" for note in facts.licences),
        table(["origin", "model", "licence", "images"], [[*key, count] for key, count in sources.most_common(50)])
        if sources else "There are none.",
        *_credits(stored.rows),
        "## Classes",
        table(["label", "class", "support images", "a sentence"], [
            [label, name, images[name], prompts.get(name, "-")] for label, name in enumerate(facts.class_names)
        ]),
    ]  # fmt: skip
    body = "\n\n".join(part for part in parts if part)
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}\n"))


def _credits(rows: Sequence[SupportRow]) -> list[str]:
    """Return the section with author, licence and page of each image, where a source names any."""
    credits = credits_of(rows)
    if not owed(credits):
        return []
    return [
        "## Credits",
        table(
            ["class", "image", "author", "licence", "page"],
            [
                [one.class_name, one.title or "-", one.author or "-", one.licence or "-", one.page or "-"]
                for one in credits
            ],
            longest=None,
        ),
        "\n".join(f"* {item(one)}" for one in citations(credits)),
    ]


def _accuracy_table(rows: Sequence[Accuracy]) -> str:
    return table(
        ["method", "tuning", "top-1 %", "95 % interval", "images"],
        [
            [
                r.method,
                r.tuning or "-",
                f"{100 * r.top1:.2f}",
                f"{100 * r.low:.1f} to {100 * r.high:.1f}",
                r.images,
            ]
            for r in rows
        ],
    )


def _version() -> str:
    import susx

    return susx.__version__
