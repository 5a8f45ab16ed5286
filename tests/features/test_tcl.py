"""TCL from a state dict: a tiny random model of its architecture, against arithmetic written out here."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional as F

from susx.config import EncoderConfig
from susx.errors import ModelError
from susx.features.encoder import load_encoder
from susx.features.identity import identify_encoder

WIDTH, DEPTH, SIDE, PATCH, DIM = 128, 2, 32, 16, 24
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "photo", "of", "polka", "dotted", "cloth", "s"]


def state() -> dict[str, torch.Tensor]:
    """Weights named as the published checkpoint names them, the unused upper text layers and momentum copies among them."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return 0.2 * torch.randn(*shape, generator=generator)

    def dense(name: str, to: int, of: int) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": random(to, of), f"{name}.bias": random(to)}

    def norm(name: str) -> dict[str, torch.Tensor]:
        return {f"{name}.weight": 1 + random(WIDTH), f"{name}.bias": random(WIDTH)}

    w: dict[str, torch.Tensor] = {"temp": torch.tensor(0.05)}
    v = "visual_encoder."
    w |= {f"{v}cls_token": random(1, 1, WIDTH), f"{v}pos_embed": random(1, 1 + (SIDE // PATCH) ** 2, WIDTH)}
    w |= {
        f"{v}patch_embed.proj.weight": random(WIDTH, 3, PATCH, PATCH),
        f"{v}patch_embed.proj.bias": random(WIDTH),
    }
    for n in range(DEPTH):
        b = f"{v}blocks.{n}."
        w |= norm(f"{b}norm1") | norm(f"{b}norm2") | dense(f"{b}attn.qkv", 3 * WIDTH, WIDTH)
        w |= (
            dense(f"{b}attn.proj", WIDTH, WIDTH)
            | dense(f"{b}mlp.fc1", 4 * WIDTH, WIDTH)
            | dense(f"{b}mlp.fc2", WIDTH, 4 * WIDTH)
        )
    w |= norm(f"{v}norm")
    t = "text_encoder."
    w |= {
        f"{t}embeddings.word_embeddings.weight": random(len(WORDS), WIDTH),
        f"{t}embeddings.position_embeddings.weight": random(40, WIDTH),
    }
    w |= {
        f"{t}embeddings.token_type_embeddings.weight": random(2, WIDTH),
        f"{t}embeddings.position_ids": torch.arange(40)[None],
    }
    w |= norm(f"{t}embeddings.LayerNorm")
    for n in range(2 * DEPTH):
        layer = f"{t}encoder.layer.{n}."
        for kind in ("attention", *(("crossattention",) if n >= DEPTH else ())):
            for part in ("query", "key", "value"):
                w |= dense(f"{layer}{kind}.self.{part}", WIDTH, WIDTH)
            w |= dense(f"{layer}{kind}.output.dense", WIDTH, WIDTH) | norm(f"{layer}{kind}.output.LayerNorm")
        w |= (
            dense(f"{layer}intermediate.dense", 3 * WIDTH, WIDTH)
            | dense(f"{layer}output.dense", WIDTH, 3 * WIDTH)
            | norm(f"{layer}output.LayerNorm")
        )
    w |= dense("vision_proj", DIM, WIDTH) | dense("text_proj", DIM, WIDTH)
    return (
        w
        | {f"{name.replace('_proj', '_proj_m')}": w[name] for name in list(w) if "_proj" in name}
        | {"queue": random(DIM, 8)}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tcl")
    torch.save({"model": state(), "epoch": 4}, path / "checkpoint.pth")
    (path / "vocab.txt").write_text("\n".join(WORDS))
    return path


def config_of(folder: Path) -> EncoderConfig:
    return EncoderConfig(model="tcl", pretrained=str(folder), device="cpu", batch_size=2)


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """One sequence, heads of 64 channels."""
    heads = []
    for h in range(WIDTH // 64):
        part = slice(64 * h, 64 * h + 64)
        heads.append(torch.softmax(q[:, part] @ k[:, part].T / 8, dim=1) @ v[:, part])
    return torch.cat(heads, dim=1)


def seen(w: dict[str, torch.Tensor], pixels: torch.Tensor) -> torch.Tensor:
    def d(name: str, x: torch.Tensor) -> torch.Tensor:
        return x @ w[f"visual_encoder.{name}.weight"].T + w[f"visual_encoder.{name}.bias"]

    def n(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(
            x, (WIDTH,), w[f"visual_encoder.{name}.weight"], w[f"visual_encoder.{name}.bias"], 1e-6
        )

    kernel = w["visual_encoder.patch_embed.proj.weight"].flatten(1)
    patches = [
        pixels[:, y : y + PATCH, x : x + PATCH].flatten()
        for y in range(0, SIDE, PATCH)
        for x in range(0, SIDE, PATCH)
    ]
    rows = torch.stack(patches) @ kernel.T + w["visual_encoder.patch_embed.proj.bias"]
    x = torch.cat([w["visual_encoder.cls_token"][0], rows]) + w["visual_encoder.pos_embed"][0]
    for b in range(DEPTH):
        q, k, v = d(f"blocks.{b}.attn.qkv", n(f"blocks.{b}.norm1", x)).split(WIDTH, dim=1)
        x = x + d(f"blocks.{b}.attn.proj", attend(q, k, v))
        x = x + d(f"blocks.{b}.mlp.fc2", F.gelu(d(f"blocks.{b}.mlp.fc1", n(f"blocks.{b}.norm2", x))))
    return n("norm", x)[0] @ w["vision_proj.weight"].T + w["vision_proj.bias"]


def read(w: dict[str, torch.Tensor], ids: list[int]) -> torch.Tensor:
    def d(name: str, x: torch.Tensor) -> torch.Tensor:
        return x @ w[f"text_encoder.{name}.weight"].T + w[f"text_encoder.{name}.bias"]

    def n(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(
            x, (WIDTH,), w[f"text_encoder.{name}.weight"], w[f"text_encoder.{name}.bias"], 1e-12
        )

    e = "text_encoder.embeddings."
    x = (
        w[f"{e}word_embeddings.weight"][ids]
        + w[f"{e}position_embeddings.weight"][: len(ids)]
        + w[f"{e}token_type_embeddings.weight"][0]
    )
    x = n("embeddings.LayerNorm", x)
    for b in range(DEPTH):
        a = f"encoder.layer.{b}."
        q, k, v = (d(f"{a}attention.self.{part}", x) for part in ("query", "key", "value"))
        x = n(f"{a}attention.output.LayerNorm", x + d(f"{a}attention.output.dense", attend(q, k, v)))
        x = n(f"{a}output.LayerNorm", x + d(f"{a}output.dense", F.gelu(d(f"{a}intermediate.dense", x))))
    return x[0] @ w["text_proj.weight"].T + w["text_proj.bias"]


def test_features_are_those_of_the_architecture(folder: Path) -> None:
    """Both towers against the formulas: only the text layers below the fusion, CLS projected, padding not looked at."""
    w, encoder = state(), load_encoder(config_of(folder))
    noise = np.random.default_rng(0).integers(0, 256, (3, 50, 70, 3), dtype=np.uint8)
    pictures = [Image.fromarray(pixels) for pixels in noise]
    images = encoder.encode_images(pictures)
    expected = torch.stack([seen(w, encoder.prepare(picture)) for picture in pictures])
    torch.testing.assert_close(images, F.normalize(expected, dim=1), atol=1e-5, rtol=1e-4)
    texts = encoder.encode_texts(["A photo of Polka-dotted cloth!", "cloth"])
    ids = [[2, 5, 6, 7, 8, 9, 10, 3], [2, 10, 3]]
    expected = torch.stack([read(w, sentence) for sentence in ids])
    torch.testing.assert_close(texts, F.normalize(expected, dim=1), atol=1e-5, rtol=1e-4)
    assert encoder.dim == DIM
    assert encoder.logit_scale == pytest.approx(20, rel=1e-5)


def test_a_long_sentence_is_cut_to_thirty_tokens(folder: Path) -> None:
    encoder = load_encoder(config_of(folder))
    cut, longer = encoder.encode_texts(["cloth " * 28, "cloth " * 60])
    torch.testing.assert_close(cut, longer)


def test_safetensors_give_the_same_and_the_pretraining_layout_is_understood(
    folder: Path, tmp_path: Path
) -> None:
    """Pre-training names the text encoder ``text_encoder.bert``."""
    renamed = {
        name.replace("text_encoder.", "text_encoder.bert."): weight.clone()
        for name, weight in state().items()
    }
    save_file(renamed, tmp_path / "model.safetensors")
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    assert identify_encoder(config_of(tmp_path)).id != identify_encoder(config_of(folder)).id
    one, other = (load_encoder(config_of(path)).encode_texts(["a cloth"]) for path in (folder, tmp_path))
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("lacking", "says"),
    [
        ("vocab.txt", "vocab.txt of bert"),
        ("checkpoint.pth", "found checkpoints: none"),
        ("vision_proj", "no weights of vision_proj"),
        ("text_encoder.encoder.layer.1", "KeyError"),
    ],
)
def test_what_is_missing_is_named(lacking: str, says: str, folder: Path, tmp_path: Path) -> None:
    if "." in lacking and not lacking.startswith("text"):
        for path in folder.iterdir():
            if path.name != lacking:
                (tmp_path / path.name).write_bytes(path.read_bytes())
    else:
        torch.save({k: v for k, v in state().items() if not k.startswith(f"{lacking}.")}, tmp_path / "x.pth")
        (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    with pytest.raises(ModelError, match=says):
        load_encoder(config_of(tmp_path))


def test_no_folder_says_what_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"folder of TCL's weights"):
        identify_encoder(config_of(tmp_path / "nowhere"))


def test_pickled_code_is_refused(tmp_path: Path) -> None:
    """A checkpoint is somebody else's file."""
    torch.save({"model": state(), "run": math.hypot, "os": os.system}, tmp_path / "x.pth")
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    with pytest.raises(ModelError, match="cannot be loaded as TCL"):
        load_encoder(config_of(tmp_path))
