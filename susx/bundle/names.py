"""A bundle with a text tower for other class names: zero-shot, with no torch and no support images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32

from susx.bundle.bundle import Bundle
from susx.bundle.bundle_description import Calibration, MethodFacts
from susx.bundle.sessions import open_session
from susx.bundle.tokenize_texts import Sentences
from susx.errors import InputError

__all__ = ["SENTENCE", "encode_sentences", "for_names"]

SENTENCE = "a photo of a {}."
"""What is said of each name; CLIP's own first template (Radford et al., 2021)."""


class _ZeroShot(Bundle):
    def logits(self, features: Any) -> Float32[np.ndarray, "query classes"]:
        scale = self.stored.description.encoder.logit_scale
        return np.asarray(np.float32(scale) * (features.pooled @ self.stored.classes.T))


def for_names(bundle: Bundle, names: Sequence[str], sentence: str = SENTENCE) -> Bundle:
    """Return a bundle that classifies by other names, through its own text tower.

    Args:
        bundle: exported with ``--text``.
        names: the classes.
        sentence: holds ``{}`` where the name goes.

    Raises:
        InputError: the bundle has no text tower, there are no names or one twice, or the sentence has no place for a name.
    """
    if not names or len(set(names)) != len(names) or not all(name.strip() for name in names):
        raise InputError(
            f"Names of classes must be there, and each once; found {', '.join(map(repr, names[:5])) or 'none'}."
        )
    if sentence.count("{}") != 1:
        raise InputError(f"The sentence must hold {{}} once, where the name goes; found {sentence!r}.")
    rows = encode_sentences(bundle, [sentence.replace("{}", name) for name in names])
    told = bundle.stored.description
    method = MethodFacts(
        name="zero_shot", hyper_parameters={}, is_zero_shot=True, tuning="",
        sentence=f"zero-shot by {len(names)} names ('{sentence}').",
    )  # fmt: skip
    notes = tuple(note for note in told.notes if note == told.warning)
    changed = told.model_copy(update={
        "class_names": tuple(names), "method": method, "rejection": None, "dataset": "",
        "calibration": Calibration(temperature=1.0, on="", images=0),
        "notes": (*notes, f"Classified by {method.sentence}", "The probabilities are not calibrated."),
    })  # fmt: skip
    stored = dataclasses.replace(bundle.stored, description=changed, classes=rows, support=None)
    return _ZeroShot(stored, batch_size=bundle.batch_size, workers=bundle.workers)


def encode_sentences(bundle: Bundle, sentences: Sequence[str]) -> Float32[np.ndarray, "sentences dim"]:
    """Return unit rows of sentences by the bundle's text tower.

    Raises:
        InputError: the bundle has none.
    """
    stored = bundle.stored
    facts = stored.description.text
    if facts is None:
        raise InputError(
            f"The bundle {stored.folder} has no text tower, so it knows its own {len(stored.classes)} classes alone. Export it with --text."
        )
    beside = frozenset({"text.onnx.data"} & set(stored.description.files))
    session = open_session(stored.folder / "text.onnx", beside=beside)
    tokens = Sentences(stored.folder / "tokenizer.json", facts).tokens(sentences)
    rows = [
        session.run(["features"], {"tokens": tokens[start : start + 64]})[0]
        for start in range(0, len(tokens), 64)
    ]
    return np.concatenate(rows)
