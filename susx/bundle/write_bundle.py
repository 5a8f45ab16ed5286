"""Writing a bundle: graphs, tables and description appear as one folder, checked against the library, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

import susx
from susx.activity import doing
from susx.bundle.agreement import Agreement, compare
from susx.bundle.bundle import Bundle
from susx.bundle.bundle_description import (
    JSON,
    Calibration,
    Description,
    EncoderFacts,
    MethodFacts,
    Quantised,
    TextFacts,
)
from susx.bundle.bundle_folder import read_bundle
from susx.bundle.check_pictures import drawn_pictures
from susx.bundle.folder_fit import FILE, write_fit
from susx.bundle.lost import drawn_to_compare, make_smaller
from susx.bundle.names import SENTENCE, encode_sentences
from susx.bundle.pixel_rule import rule_of
from susx.bundle.support_pictures import Shown
from susx.bundle.tokens import write_tokenizer
from susx.bundle.towers import ImageTower, TextTower, plain_model, write_graph
from susx.classifier.classifier import Classifier
from susx.classifier.export_classifier import export_onnx
from susx.errors import MismatchError, StoreError
from susx.records import encode_rows
from susx.store import digest_file
from susx.store.disk import whole_folder

__all__ = ["COSINE", "PICTURES", "check_target", "export_bundle"]

COSINE = 0.99999
"""Least cosine of a picture's features by the graph and by torch, both in single precision and shown the same pixels."""

WHOLE = 0.9999
"""The same from the picture on, where the library resizes tensors and Pillow pictures."""

_CHECKED = 64
"""Pictures of a source that torch looks at as well, about; more take long and tell no more."""

PICTURES = 32
"""Pictures drawn for the check, beside those that are given."""


def export_bundle(
    classifier: Classifier,
    out: Path,
    *,
    shown: Sequence[Shown] = (),
    quantise: str | None = None,
    text: bool = False,
    force: bool = False,
) -> tuple[str, ...]:
    """Write a classifier as a bundle and return what was found when it was checked, in sentences.

    Args:
        classifier: with its encoder.
        out: new folder; complete or not there at all.
        shown: real pictures to check with, beside those that are drawn.
        quantise: int8 or fp16; None leaves single precision.
        text: write the text tower and its tokenizer too, so that other names can be classified by.
        force: replace a bundle that is there, and keep a quantised one that changes too many answers.

    Raises:
        ConfigError: method or encoder cannot be exported; says which and why.
        MismatchError: graphs and library differ, or a quantised graph changes too many answers.
        StoreError: ``out`` holds something else, or cannot be written.
    """
    check_target(out, force)
    try:
        with whole_folder(out) as partial:
            with doing("export the graphs"):
                told = _write(classifier, partial, text)
            plain = Bundle(read_bundle(partial))
            pictures = [
                picture for one in shown for picture in one.pictures[:: 1 + len(one.pictures) // _CHECKED]
            ]
            with doing("compare the graphs with the encoder"):
                agreement = compare(plain, classifier, [*drawn_pictures(PICTURES), *pictures])
            _require(agreement)
            lost = None
            if quantise is not None:
                with doing(f"quantise to {quantise}"):
                    lost = make_smaller(plain, quantise, shown or (drawn_to_compare(),), force=force)
            _describe(classifier, partial, agreement.sentence, lost, told)
            if told is not None:
                _require_sentences(classifier, Bundle(read_bundle(partial)))
            read_bundle(partial)
            if out.exists():
                shutil.rmtree(out)
    except OSError as error:
        raise StoreError(f"The bundle cannot be written to {out}: {error}.") from error
    return (agreement.sentence, *([lost.sentence] if lost else []))


def check_target(out: Path, force: bool) -> None:
    """Refuse to write where something else is.

    Raises:
        StoreError: a file, another folder, or a bundle and no ``force``.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / JSON).is_file():
        raise StoreError(f"{out} exists and is no bundle; give a new folder.")
    if not force:
        raise StoreError(f"{out} holds a bundle already; give another folder, or --force to replace it.")


def _write(classifier: Classifier, folder: Path, text: bool) -> TextFacts | None:
    stored, encoder = classifier.stored, classifier.encoder
    rule = rule_of(encoder.preprocess, encoder.id)
    export_onnx(
        stored, folder / "head.onnx"
    )  # first: a method without a graph is refused before the encoder is traced
    example = torch.rand(2, 3, rule.height, rule.width)
    write_graph(
        ImageTower(plain_model(encoder.model)), [example], ["pixels"], ["features"], folder / "image.onnx",
        f"the image tower of {encoder.id}",
    )  # fmt: skip
    np.save(folder / "classes.npy", _table(stored.zero_shot.text))
    if stored.support is not None and len(stored.support):
        np.save(folder / "support.npy", _table(stored.support))
        (folder / "support.jsonl").write_bytes(encode_rows(row.shared() for row in stored.rows))
        write_fit(stored, folder / FILE)
    facts = None
    if text:
        facts = write_tokenizer(encoder, folder / "tokenizer.json", stored.facts.class_names)
        tokens = encoder.tokenizer(["a photo", "of a class"]).cpu()
        what = f"the text tower of {encoder.id}"
        write_graph(
            TextTower(plain_model(encoder.model)),
            [tokens],
            ["tokens"],
            ["features"],
            folder / "text.onnx",
            what,
        )
    _describe(classifier, folder, "", text=facts)
    return facts


def _require_sentences(classifier: Classifier, bundle: Bundle) -> None:
    sentences = [SENTENCE.replace("{}", name) for name in classifier.class_names]
    rows, wanted = encode_sentences(bundle, sentences), classifier.encoder.encode_texts(sentences).numpy()
    least = float((rows * wanted).sum(axis=1).min())
    if least < COSINE:
        raise MismatchError(
            f"The exported text tower and the library differ: smallest cosine of a class's sentence {least:.7f}, at least {COSINE} is asked "
            "for; nothing was written. Please report this with the versions of torch, onnx and onnxruntime."
        )


def _table(rows: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(rows.float().numpy())


def _describe(
    classifier: Classifier,
    folder: Path,
    checked: str,
    quantised: Quantised | None = None,
    text: TextFacts | None = None,
) -> None:
    stored, encoder = classifier.stored, classifier.encoder
    facts, about = stored.facts, stored.about
    told = Description(
        susx=susx.__version__,
        dataset=facts.dataset,
        class_names=tuple(facts.class_names),
        encoder=EncoderFacts(
            id=facts.encoder, pretrained=_public(facts.pretrained), dim=encoder.dim, logit_scale=encoder.logit_scale, logit_bias=encoder.logit_bias,
        ),
        pixels=rule_of(encoder.preprocess, encoder.id),
        prompts=facts.prompts,
        method=MethodFacts(
            name=about.method, hyper_parameters=about.hyper_parameters, sentence=about.sentence, is_zero_shot=about.is_zero_shot,
            tuning=about.tuning, class_trust=about.class_trust,
        ),
        calibration=Calibration(
            temperature=facts.temperature, on=facts.calibrated_on, images=facts.calibration_images
        ),
        rejection=facts.rejection,
        licences=tuple(facts.licences),
        toy=facts.toy,
        warning=about.warning,
        notes=about.notes,
        quantised=quantised,
        text=text,
        checked=checked,
        files={path.name: digest_file(path) for path in sorted(folder.iterdir()) if path.name != JSON},  # type: ignore[misc]
    )  # fmt: skip
    (folder / JSON).write_text(told.sealed().model_dump_json(indent=1) + "\n", encoding="utf-8")


def _public(pretrained: str) -> str:
    """Return a tag as it is, and of a path the file's name alone: others have no use for whose machine it lay on."""
    return Path(pretrained).name if "/" in pretrained or "\\" in pretrained else pretrained


def _require(agreement: Agreement) -> None:
    if (
        agreement.cosine >= COSINE
        and agreement.whole >= WHOLE
        and agreement.same + agreement.ties == agreement.pictures
    ):
        return
    raise MismatchError(
        f"The exported graphs and the library differ: {agreement.sentence} At least {COSINE} and the same class on every picture are asked "
        "for; nothing was written. Please report this with the versions of torch, onnx and onnxruntime."
    )
