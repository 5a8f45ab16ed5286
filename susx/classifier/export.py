"""A classifier without susx: an ONNX graph from features to logits, or the head of an open_clip model.

The ONNX graph takes the encoder's image features, brings rows to unit norm as the library does, and gives
``logits`` and ``probabilities``. The divergences of TIP-X are computed in double precision, as in the library: in
float32 they cancel (see ``susx.methods.functional.signature``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from susx.classifier.artefact import StoredClassifier
from susx.errors import ConfigError, MismatchError
from susx.methods import ImageFeatures

__all__ = ["check_onnx", "export_onnx", "export_open_clip_head"]

OPSET = 17
"""Understood by onnxruntime since 1.12."""


class _Graph:
    """Nodes and constants in the order they are made; every method returns the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        from onnx import numpy_helper

        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array.astype(dtype)), name))
        return name

    def node(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        from onnx import helper

        result = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [result], **attributes))
        return result

    def cast(self, value: str, dtype: str) -> str:
        from onnx import TensorProto

        return self.node("Cast", value, to=getattr(TensorProto, dtype))


def export_onnx(stored: StoredClassifier, path: Path, *, tolerance: float = 1e-3) -> float:
    """Write the ONNX graph, run it with onnxruntime beside the library, and return the largest difference of logits.

    Raises:
        ConfigError: the method has no graph (it looks at patches, or mixes the rows of a batch).
        MismatchError: graph and library differ by more than ``tolerance``; the file is removed.
    """
    from onnx import TensorProto, checker, helper, save

    method, state, facts = stored.method, stored.state, stored.facts
    build = _BUILDERS.get(method.name)
    if build is None or getattr(method, "published", False):
        raise ConfigError(
            f"The method '{method.name}' cannot be exported as ONNX{' with published=true' if build else ''}: expected one"
            f" of {', '.join(sorted(_BUILDERS))}, row by row. Use susx predict or susx serve for it."
        )
    graph = _Graph()
    dim, classes = state.text.shape[1], state.text.shape[0]
    rows = graph.node("LpNormalization", "features", axis=1, p=2)
    graph.node("Identity", build(graph, method, state, rows), name="logits")
    scaled = graph.node("Div", "logits", graph.constant("temperature", facts.temperature))
    graph.node("Softmax", scaled, name="probabilities", axis=1)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "susx",
            [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["query", dim])],
            [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, ["query", classes])
                for n in ("logits", "probabilities")
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
        producer_name="susx",
    )
    helper.set_model_props(model, _properties(stored))
    checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    save(model, str(partial))
    try:
        difference = check_onnx(stored, partial)
        if not difference <= tolerance:
            raise MismatchError(
                f"The exported graph and the library differ by {difference:.2g} in a logit (at most {tolerance:.2g} is"
                " accepted); nothing was written. Please report this with the versions of onnx and onnxruntime."
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return difference


def check_onnx(stored: StoredClassifier, path: Path, rows: int = 64) -> float:
    """Return the largest absolute difference of logits between an ONNX file and the library, over random features
    (of any norm) and over features near the class prompts."""
    import onnxruntime

    generator = torch.Generator().manual_seed(0)
    text = stored.state.text
    near = text[torch.randint(len(text), (rows,), generator=generator)]
    noise = torch.randn(rows, text.shape[1], generator=generator)
    features = torch.cat([noise, near + 0.3 * torch.nn.functional.normalize(noise, dim=1)])
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = torch.from_numpy(session.run(["logits"], {"features": features.numpy()})[0])
    unit = ImageFeatures(torch.nn.functional.normalize(features, dim=1))
    return float((found - stored.method.logits(stored.state, unit)).abs().max())


def export_open_clip_head(stored: StoredClassifier, path: Path, *, text_only: bool = False) -> None:
    """Write the linear head ``logits = features @ weight.T`` (weight: classes x dim, logit scale included).

    Usable as ``torch.nn.Linear`` without bias behind open_clip's ``encode_image(normalize=True)``.

    Raises:
        ConfigError: the method is not linear and ``text_only`` was not asked for.
    """
    from safetensors.torch import save_file

    if stored.method.name != "zero_shot" and not text_only:
        raise ConfigError(
            f"A head is linear, and '{stored.method.name}' is not: it compares with support images. Export it as onnx, or"
            " give --text-only for the head of its text classifier alone (zero-shot)."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    weight = (stored.state.logit_scale * stored.state.text).float().contiguous()
    save_file({"weight": weight}, partial, metadata=_properties(stored))
    partial.replace(path)


def _properties(stored: StoredClassifier) -> dict[str, str]:
    facts = stored.facts
    return {
        "class_names": json.dumps(facts.class_names, ensure_ascii=False),
        "encoder": facts.encoder.model,
        "encoder_digest": facts.encoder_digest,
        "method": stored.method.name,
        "temperature": repr(facts.temperature),
        "licences": json.dumps(facts.licences, ensure_ascii=False),
    }


def _zero_shot(graph: _Graph, method: Any, state: Any, rows: str) -> str:
    return graph.node("MatMul", rows, graph.constant("head", (state.logit_scale * state.text).T))


def _tip_adapter(graph: _Graph, method: Any, state: Any, rows: str) -> str:
    affinity = graph.node("MatMul", rows, graph.constant("keys", state.keys.T))
    above = graph.node("Sub", affinity, graph.constant("one", 1.0))
    votes = graph.node("Exp", graph.node("Mul", above, graph.constant("beta", method.beta)))
    values = state.keys.new_zeros(len(state.keys), len(state.text))
    values[torch.arange(len(state.keys)), state.labels] = method.alpha * state.weights
    summed = graph.node("MatMul", votes, graph.constant("values", values))
    return graph.node("Add", _zero_shot(graph, method, state, rows), summed)


def _tip_x(graph: _Graph, method: Any, state: Any, rows: str) -> str:
    """gamma psi(M) L from the class sums of log-signatures, as in ``susx.methods.tip_x``."""
    cosines = graph.cast(graph.node("MatMul", rows, graph.constant("prompts", state.text.T)), "DOUBLE")
    scaled = graph.node(
        "Div", cosines, graph.constant("signature_temperature", method.temperature, np.float64)
    )
    log_p = graph.node("LogSoftmax", scaled, axis=1)
    p = graph.node("Exp", log_p)
    entropy = graph.node(
        "ReduceSum", graph.node("Mul", p, log_p), graph.constant("axis", [1], np.int64), keepdims=1
    )
    held = state.mass > 0
    own = graph.node("Mul", entropy, graph.constant("mass", state.mass[None], np.float64))
    cross = graph.node("MatMul", p, graph.constant("log_sums", state.log_sums.T, np.float64))
    divergence = graph.node("Sub", own, cross)
    rescaled = graph.node(
        "Add",
        graph.node("Mul", divergence, graph.constant("psi_scale", state.psi_scale, np.float64)),
        graph.constant("psi_offset", (state.psi_offset * state.mass)[None], np.float64),
    )
    if not bool(held.all()):
        # A class without support has the mean of the others: one more product with a constant matrix.
        spread = torch.diag(held.double())
        spread[:, ~held] = (held.double() / held.sum())[:, None]
        rescaled = graph.node("MatMul", rescaled, graph.constant("spread", spread, np.float64))
    weighted = graph.node("Mul", rescaled, graph.constant("gamma", method.gamma, np.float64))
    return graph.node("Sub", _tip_adapter(graph, method, state, rows), graph.cast(weighted, "FLOAT"))


_BUILDERS: dict[str, Callable[[_Graph, Any, Any, str], str]] = {
    "tip_adapter": _tip_adapter,
    "tip_x": _tip_x,
    "zero_shot": _zero_shot,
}
