"""A classifier without susx: an ONNX graph from features to logits, or the head of an open_clip model.

The ONNX graph takes the encoder's image features, brings rows to unit norm as the library does, and gives
``logits`` and ``probabilities``. It is torch's own export of the method's module, so whatever the method computes in
double precision is computed so there.
"""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from susx.classifier.artefact import StoredClassifier
from susx.errors import ConfigError, MismatchError
from susx.evaluation import probabilities
from susx.methods import ImageFeatures
from susx.methods.linear_head import LinearHead
from susx.modes import plain_mode
from susx.store.disk import whole_file

__all__ = ["check_onnx", "export_onnx", "export_open_clip_head"]

OPSET = 18
"""Understood by onnxruntime since 1.14."""


class _Calibrated(nn.Module):
    """Logits of a method, their probabilities at the classifier's temperature, and with a threshold what is none of the classes."""

    def __init__(self, stored: StoredClassifier, threshold: float | None = None) -> None:
        super().__init__()
        self.scores = stored.method.module(stored.state)
        self.temperature = stored.facts.temperature
        self.threshold = threshold
        if threshold is not None:
            self.register_buffer("text", stored.zero_shot.text)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        logits = self.scores(features)
        answers = logits, probabilities(logits, self.temperature)
        if self.threshold is None:
            return answers
        cosines = nn.functional.normalize(features, dim=1) @ self.get_buffer("text").T
        return *answers, cosines.amax(dim=1) < self.threshold


def export_onnx(
    stored: StoredClassifier, path: Path, *, tolerance: float = 1e-3, reject: float | None = None
) -> float:
    """Write the ONNX graph, run it with onnxruntime beside the library, and return the largest difference of logits.

    With ``reject``, the share of outsiders that may pass, there is a third output ``none_of_these`` [query].

    Raises:
        InputError: ``reject`` for a classifier that knows nothing of outsiders.
        ConfigError: the method has no graph (it looks at patches, or mixes the rows of a batch).
        MismatchError: graph and library differ by more than ``tolerance``; the file is removed.
    """
    import onnx

    threshold = None if reject is None else stored.threshold(reject)
    module = _Calibrated(stored, threshold).eval()
    outputs = ["logits", "probabilities", *(["none_of_these"] if threshold is not None else [])]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own internals
        program = torch.onnx.export(
            module, (torch.randn(2, stored.zero_shot.text.shape[1]),),
            input_names=["features"], output_names=outputs, opset_version=OPSET,
            dynamic_shapes={"features": {0: torch.export.Dim("query")}}, dynamo=True, verbose=False,
        )  # fmt: skip
    assert program is not None
    model = program.model_proto
    onnx.helper.set_model_props(model, _properties(stored))
    onnx.checker.check_model(model)
    with whole_file(path) as partial:
        onnx.save(model, str(partial))
        difference = check_onnx(stored, partial)
        if not difference <= tolerance:
            raise MismatchError(
                f"The exported graph and the library differ by {difference:.2g} in a logit (at most {tolerance:.2g} is"
                " accepted); nothing was written. Please report this with the versions of torch, onnx and onnxruntime."
            )
    return difference


def check_onnx(stored: StoredClassifier, path: Path, rows: int = 64) -> float:
    """Return the largest absolute difference of logits between an ONNX file and the library, over random features
    (of any norm) and over features near the class prompts."""
    import onnxruntime

    generator = torch.Generator().manual_seed(0)
    text = stored.zero_shot.text
    near = text[torch.randint(len(text), (rows,), generator=generator)]
    noise = torch.randn(rows, text.shape[1], generator=generator)
    features = torch.cat([noise, near + 0.3 * torch.nn.functional.normalize(noise, dim=1)])
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    exported = torch.from_numpy(session.run(["logits"], {"features": features.numpy()})[0])
    unit = ImageFeatures(torch.nn.functional.normalize(features, dim=1))
    return float((exported - stored.method.logits(stored.state, unit)).abs().max())


def export_open_clip_head(stored: StoredClassifier, path: Path, *, text_only: bool = False) -> None:
    """Write the linear head ``logits = features @ weight.T + bias`` (weight: classes x dim, logit scale included; no bias where there is none).

    Usable as ``torch.nn.Linear`` behind open_clip's ``encode_image(normalize=True)``.

    Raises:
        ConfigError: the method is not linear and ``text_only`` was not asked for.
    """
    from safetensors.torch import save_file

    if text_only:
        head: LinearHead | None = LinearHead(stored.zero_shot.logit_scale * stored.zero_shot.text)
    else:
        head = stored.method.linear_head(stored.state)
    if head is None:
        raise ConfigError(
            f"A head is linear, and '{stored.method.name}' is not. Export it as onnx, or give --text-only for the head of"
            " the class prompts alone (zero-shot)."
        )
    with whole_file(path) as partial:
        save_file(head.tensors(), partial, metadata=_properties(stored))
        plain_mode(partial)


def _properties(stored: StoredClassifier) -> dict[str, str]:
    facts = stored.facts
    return {
        "class_names": json.dumps(facts.class_names, ensure_ascii=False),
        "encoder": facts.encoder.model,
        "encoder_digest": facts.encoder.digest,
        "method": stored.method.name,
        "temperature": repr(facts.temperature),
        "calibrated_on": facts.calibrated_on,
        "calibration_images": str(facts.calibration_images),
        "licences": json.dumps(facts.licences, ensure_ascii=False),
    }
