"""TCL (Yang et al., CVPR 2022) behind the encoders' door, from the state dict of its published checkpoint.

Its image encoder is a ViT whose weights are named as timm names them; its text encoder is the lower half of a BERT, whose upper
layers (those with cross-attention) look at images and are not used. Both CLS tokens are projected to a joint space.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from susx.errors import ModelError
from susx.features.blip import TYPES
from susx.features.identity import LocatedEncoder

__all__ = ["Tcl", "load_tcl"]

_TOKENS = 30
"""Sentences are padded and cut to this many tokens, as in TCL's own retrieval."""
_HEAD = 64
"""Channels of an attention head, of ViT and BERT alike."""
_TEMPERATURE = 0.07
"""What training begins with; a checkpoint has its own as ``temp``."""
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class Tcl(nn.Module):
    """Images and sentences to the projections of their first tokens.

    Attributes:
        side: height and width of an image in pixels.
    """

    def __init__(self, weights: Mapping[str, Tensor], vocabulary: int) -> None:
        """Build the model that a state dict is of.

        Raises:
            KeyError: a weight is not there.
            RuntimeError: one has another shape.
        """
        from timm.models.vision_transformer import VisionTransformer
        from transformers import BertConfig, BertModel

        super().__init__()
        seen = _below(weights, "visual_encoder.")
        width, patch = seen["cls_token"].shape[-1], seen["patch_embed.proj.weight"].shape[-1]
        self.side = math.isqrt(seen["pos_embed"].shape[1] - 1) * patch
        self.visual = VisionTransformer(
            img_size=self.side, patch_size=patch, embed_dim=width, depth=_depth(seen, r"blocks\.(\d+)\."),
            num_heads=max(1, width // _HEAD), mlp_ratio=seen["blocks.0.mlp.fc1.weight"].shape[0] / width, num_classes=0,
        )  # fmt: skip
        self.visual.load_state_dict(seen)
        read = {
            name.removeprefix("bert."): weight for name, weight in _below(weights, "text_encoder.").items()
        }
        fused = [
            int(match[1])
            for name in read
            if (match := re.match(r"encoder\.layer\.(\d+)\.crossattention", name))
        ]
        layers = min(fused, default=_depth(read, r"encoder\.layer\.(\d+)\."))
        hidden = read["embeddings.word_embeddings.weight"].shape[1]
        self.text = BertModel(  # type: ignore[no-untyped-call]
            BertConfig(  # type: ignore[no-untyped-call]
                vocab_size=read["embeddings.word_embeddings.weight"].shape[0], hidden_size=hidden, num_hidden_layers=layers,
                num_attention_heads=max(1, hidden // _HEAD),
                intermediate_size=read["encoder.layer.0.intermediate.dense.weight"].shape[0],
                max_position_embeddings=read["embeddings.position_embeddings.weight"].shape[0],
            ),
            add_pooling_layer=False,
        )  # fmt: skip
        if vocabulary > self.text.config.vocab_size:
            raise RuntimeError(
                f"vocab.txt has {vocabulary} words, the text encoder {self.text.config.vocab_size}"
            )
        self.text.load_state_dict({name: read[name] for name in self.text.state_dict()})
        self.vision_proj = _linear(_below(weights, "vision_proj."))
        self.text_proj = _linear(_below(weights, "text_proj."))
        temperature = float(weights["temp"]) if "temp" in weights else _TEMPERATURE
        self.logit_scale = torch.tensor(-math.log(temperature))

    def encode_image(self, pixels: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch dim"]:
        """Return the projection of the vision transformer's CLS token."""
        return self.vision_proj(self.visual.forward_features(pixels)[:, 0])  # type: ignore[no-any-return]

    def encode_text(self, tokens: Any) -> Float[Tensor, "batch dim"]:
        """Return the projection of the text transformer's CLS token; padding is not looked at."""
        states = self.text(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).last_hidden_state
        return self.text_proj(states[:, 0])  # type: ignore[no-any-return]


def load_tcl(
    located: LocatedEncoder, device: str
) -> tuple[Tcl, Callable[[Image.Image], Tensor], Callable[[list[str]], Any]]:
    """Return model, preprocessing and tokenizer of a folder with one checkpoint and BERT's ``vocab.txt``.

    Raises:
        ModelError: the folder does not hold them, or the checkpoint is not TCL's.
    """
    from torchvision import transforms
    from transformers import BertTokenizerFast  # type: ignore[attr-defined]

    folder = located.weights
    try:
        checkpoint = _checkpoint(folder)
        tokenizer = BertTokenizerFast.from_pretrained(folder, local_files_only=True)
        model = Tcl(_weights(checkpoint), tokenizer.vocab_size)
    except ModelError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"{folder}: the weights cannot be loaded as TCL ({type(error).__name__}: {reason}). Give a folder with the checkpoint "
            "of TCL (visual_encoder, text_encoder, vision_proj, text_proj) and vocab.txt of bert-base-uncased."
        ) from error
    preprocess = transforms.Compose(
        [
            transforms.Resize((model.side, model.side), interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.ToTensor(),
            transforms.Normalize(_MEAN, _STD),
        ]
    )

    def tokenize(texts: list[str]) -> Any:
        return tokenizer(
            [_plain(text) for text in texts], padding="max_length", truncation=True, max_length=_TOKENS, return_tensors="pt"
        )  # fmt: skip

    return model.eval().to(device, TYPES[located.id.precision]), preprocess, tokenize


def _plain(text: str) -> str:
    """What TCL was trained on: small letters, no punctuation, hyphens and slashes as blanks."""
    text = re.sub(r"[,.'!?\"()*#:;~]", "", text.lower())
    return " ".join(re.sub(r"[-/]", " ", text).split())


def _checkpoint(folder: Path) -> Path:
    checkpoints = sorted(path for path in folder.iterdir() if path.suffix in {".safetensors", ".pth", ".pt"})
    if len(checkpoints) != 1:
        names = ", ".join(path.name for path in checkpoints) or "none"
        raise ModelError(
            f"{folder}: expected weights in one checkpoint (.safetensors, .pth, .pt); found checkpoints: {names}."
        )
    return checkpoints[0]


def _weights(checkpoint: Path) -> Mapping[str, Tensor]:
    if checkpoint.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(checkpoint)
    loaded = torch.load(checkpoint, map_location="cpu", weights_only=True)
    return loaded.get("model", loaded)  # type: ignore[no-any-return]


def _below(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    weights_below = {
        name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)
    }
    if not weights_below:
        raise KeyError(f"no weights of {prefix.rstrip('.')}")
    return weights_below


def _depth(names: Mapping[str, Tensor], pattern: str) -> int:
    return 1 + max(int(match[1]) for name in names if (match := re.match(pattern, name)))


def _linear(weights: Mapping[str, Tensor]) -> nn.Linear:
    layer = nn.Linear(weights["weight"].shape[1], weights["weight"].shape[0])
    layer.load_state_dict(dict(weights))
    return layer
