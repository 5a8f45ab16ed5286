"""Adapters in visual blocks: their number, that they begin as the encoder itself, what is learned, kept and refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from susx.config import EncoderConfig
from susx.demo.textures import render
from susx.encoder_id import EncoderId
from susx.errors import InputError, MismatchError, TrainingError
from susx.features.adapted_encoder import encode_adapted, inserted, visual_blocks
from susx.features.encoder import Encoder, load_encoder
from susx.features.imo_training import RECIPE, imo_train
from susx.methods import Evidence, ImageFeatures, Run, TipAdapter, TipAdapterPP, TipX, TipXPP
from susx.methods.adapters import Adapters, first_adapters, read_adapters
from susx.methods.state import Fitted, load_fitted, save_fitted
from susx.methods.training import Recipe
from susx.store.fingerprint import digest_file
from tests.interruptions import interrupt_training

NAMES = ("banded", "dotted", "grid", "woven")
LABELS = [i % 4 for i in range(16)]
QUICK = Recipe(epochs=2, batch=8, rate=8e-3)


def image(at: int) -> Image.Image:
    return Image.fromarray(render(NAMES[at % 4], "web", "train", at))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(EncoderConfig(model="susx-tiny"))


def untrained(visual: dict[str, object], name: str) -> Encoder:
    """An open_clip model of random numbers."""
    torch.manual_seed(0)
    model = open_clip.CLIP(
        embed_dim=16, vision_cfg={"image_size": 32, **visual},
        text_cfg={"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
    )  # fmt: skip

    def pixels(picture: Image.Image) -> torch.Tensor:
        return torch.from_numpy(np.asarray(picture.resize((32, 32)), dtype=np.float32)).permute(2, 0, 1) / 255

    tokens = lambda texts: torch.ones(len(texts), 8, dtype=torch.int64)  # noqa: E731
    identity = EncoderId(name, f"{name:0>64}", "fp32")
    return Encoder(identity, model, pixels, tokens, device="cpu", batch_size=8, workers=1)


def strong(adapters: Adapters) -> Adapters:
    """Adapters that change something."""
    generator = torch.Generator().manual_seed(0)
    return dataclasses.replace(
        adapters, up=torch.randn(adapters.up.shape, generator=generator),
        up_bias=torch.randn(adapters.up_bias.shape, generator=generator),
    )  # fmt: skip


def test_parameters_are_the_published_number() -> None:
    """1,189,632 in the 12 blocks of a ViT-B with 64 in between: two layers with biases; s is 0.03, and the recipe the paper's."""
    adapters = first_adapters(12, 768)
    assert sum(value.numel() for value in adapters.tensors.values()) == 1_189_632
    assert adapters.strength == 0.03
    assert not adapters.up.any()
    assert not adapters.up_bias.any()
    assert (RECIPE.epochs, RECIPE.batch, RECIPE.rate, RECIPE.optimizer) == (1, 128, 8e-3, "adamw")


def test_zeros_on_the_way_up_change_nothing(encoder: Encoder) -> None:
    """Bit for bit the encoder's own features; and the hooks are gone afterwards."""
    pictures = [image(at) for at in range(5)]
    own, adapters = encoder.encode_images(pictures), first_adapters(4, 128)
    assert torch.equal(encode_adapted(encoder, adapters, pictures), own)
    moved = encode_adapted(encoder, strong(adapters), pictures)
    assert (moved - own).abs().max() > 1e-3
    assert torch.equal(encoder.encode_images(pictures), own)
    for block, norm in visual_blocks(encoder):
        assert not block._forward_hooks
        assert not norm._forward_pre_hooks


def test_they_are_parallel_to_the_mlp() -> None:
    """One block against x' + MLP(LN x') + s Up(ReLU(Down x')), written out."""
    encoder = untrained({"layers": 1, "width": 32, "head_width": 16, "patch_size": 16}, "vit")
    adapters = strong(first_adapters(1, 32, 4))
    block = visual_blocks(encoder)[0][0]
    tokens = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(1))
    with inserted(encoder, adapters), torch.no_grad():
        found = block(tokens)
        middle = tokens + block.attention(block.ln_1(tokens))
    with torch.no_grad():
        hidden = torch.relu(torch.nn.functional.linear(middle, adapters.down[0], adapters.down_bias[0]))
        up = torch.nn.functional.linear(hidden, adapters.up[0], adapters.up_bias[0])
        expected = middle + block.mlp(block.ln_2(middle)) + 0.03 * up
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_gradients_are_those_of_finite_differences() -> None:
    """To all four tensors, through two blocks, in double precision; none to the encoder."""
    encoder = untrained({"layers": 2, "width": 32, "head_width": 16, "patch_size": 16}, "vit")
    model = encoder.model.double().requires_grad_(False)
    adapters = strong(first_adapters(2, 32, 4))
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    values = [value.double().requires_grad_() for value in adapters.tensors.values()]

    def encoded(*tensors: torch.Tensor) -> torch.Tensor:
        with inserted(encoder, adapters.with_tensors(**dict(zip(adapters.tensors, tensors, strict=True)))):
            return model.encode_image(pixels).sum(dim=1)

    torch.autograd.gradcheck(encoded, values, fast_mode=True)


def test_it_learns_sixteen_images(encoder: Encoder, tmp_path: Path) -> None:
    """The head and the adapters learn them by heart; file, record and what is read again are one."""
    file = tmp_path / "adapters.safetensors"
    found = imo_train(
        encoder,
        image,
        LABELS,
        file,
        recipe=Recipe(epochs=12, batch=16, rate=8e-3),
        hidden=8,
        source="four textures",
    )
    record = json.loads(file.with_suffix(".json").read_text())
    assert record["losses"][-1] < 0.5 * record["losses"][0]
    assert found.up.abs().max() > 1e-3
    assert {
        "encoder_digest": encoder.digest, "seed": 0, "images": 16, "classes": 4, "source": "four textures",
        "parameters": 4 * (2 * 128 * 8 + 128 + 8), "weights": digest_file(file),
    }.items() <= record.items()  # fmt: skip
    again = read_adapters(file, digest_file(file))
    assert all(torch.equal(again.tensors[name], found.tensors[name]) for name in found.tensors)
    assert again.encoder == encoder.identity


def test_seed_order_and_interruption(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seed decides every bit, the order of the images none, and a killed training taken up ends as one that was not."""

    def trained(run: Run, order: list[int]) -> Adapters:
        return imo_train(
            encoder, lambda at: image(order[at]), [LABELS[at] for at in order], tmp_path / "a.safetensors",
            recipe=QUICK, hidden=8, run=run,
        )  # fmt: skip

    def alike(one: Adapters, other: Adapters) -> bool:
        return all(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)

    straight = [*range(16)]
    whole = trained(Run(), straight)
    assert alike(trained(Run(), straight[::-1]), whole)
    assert not alike(trained(Run(seed=1), straight), whole)
    steps = interrupt_training(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        trained(Run(folder=tmp_path), straight)
    assert alike(trained(Run(folder=tmp_path), straight), whole)
    assert steps[2] == steps[3]


def test_what_cannot_be_adapted_is_named(encoder: Encoder, tmp_path: Path) -> None:
    """A residual network, adapters for other blocks or of another encoder, one class, a loss that is no number."""
    resnet = untrained({"layers": [1, 1, 1, 1], "width": 8}, "RN-tiny")
    with pytest.raises(
        InputError, match="The encoder RN-tiny has no transformer blocks that adapters go into"
    ):
        encode_adapted(resnet, first_adapters(4, 128), [image(0)])
    with pytest.raises(InputError, match="RN-tiny has no transformer blocks"):
        imo_train(resnet, image, LABELS, tmp_path / "a.safetensors")
    with pytest.raises(
        MismatchError, match=r"for 12 blocks of width 768, .* susx-tiny-clip has 4 of width 128"
    ):
        encode_adapted(encoder, first_adapters(12, 768), [image(0)])
    other = first_adapters(4, 128, encoder=EncoderId("other", "a" * 64))
    with pytest.raises(MismatchError, match=r"trained with the encoder other a{12}, .* from susx-tiny-clip"):
        encode_adapted(encoder, other, [image(0)])
    with pytest.raises(InputError, match="there are 3 images of 1"):
        imo_train(encoder, image, [0, 0, 0], tmp_path / "a.safetensors")
    with pytest.raises(TrainingError, match=r"imo: the loss became .* at step \d of 40 with learning rate"):
        imo_train(
            encoder, image, LABELS, tmp_path / "a.safetensors", recipe=Recipe(20, 8, 1e38, "sgd"), hidden=8
        )


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda a: dataclasses.replace(a, up=a.up[:, :, 1:]), "two layers a block"),
        (lambda a: dataclasses.replace(a, down=a.down * torch.nan), "not all finite"),
    ],
    ids=["shapes", "nan"],
)
@pytest.mark.untyped
def test_damaged_adapters_are_refused(spoil, words: str) -> None:
    """Tensors that do not fit each other, and numbers that are none."""
    with pytest.raises(InputError, match=words):
        spoil(first_adapters(2, 16, 4))


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    """Another file under the digest, other tensors, no safetensors at all."""
    from safetensors.torch import save_file

    file = tmp_path / "a.safetensors"
    file.write_bytes(first_adapters(2, 16, 4).to_bytes())
    digest = digest_file(file)
    file.write_bytes(first_adapters(2, 16, 4, seed=1).to_bytes())
    with pytest.raises(InputError, match="is not the one that was named"):
        read_adapters(file, digest)
    save_file({"up": torch.zeros(2)}, file)
    with pytest.raises(InputError, match=r"holds no adapters .*found up"):
        read_adapters(file, digest_file(file))
    file.write_bytes(b"none")
    with pytest.raises(InputError, match="cannot be read as weights of IMO"):
        read_adapters(file, digest_file(file))


def test_timm_blocks_are_adapted_too(tmp_path: Path) -> None:
    """A SigLIP-like tower of timm's: the blocks are found, and zeros on the way up change nothing."""
    torch.manual_seed(0)
    model = open_clip.CustomTextCLIP(
        embed_dim=32, vision_cfg={"image_size": 224, "timm_model_name": "vit_tiny_patch16_224", "timm_model_pretrained": False,
                                  "timm_pool": "avg", "timm_proj": "linear"},
        text_cfg={"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1},
    )  # fmt: skip
    identity = EncoderId("timm", "0" * 64, "fp32")
    tokens = lambda texts: torch.ones(len(texts), 8, dtype=torch.int64)  # noqa: E731
    encoder = Encoder(
        identity,
        model,
        lambda picture: torch.zeros(3, 224, 224),
        tokens,
        device="cpu",
        batch_size=8,
        workers=1,
    )
    pixels, adapters = [torch.randn(3, 224, 224)], first_adapters(12, 192, 4)
    own = encoder.encode_images(pixels)
    assert torch.equal(encode_adapted(encoder, adapters, pixels), own)
    assert not torch.allclose(encode_adapted(encoder, strong(adapters), pixels), own, atol=1e-4)


@pytest.fixture(scope="module")
def given(encoder: Encoder) -> tuple[Evidence, list[Image.Image]]:
    """Support images with adapted features of their own, and pictures to ask for."""
    pictures = [image(at) for at in range(16)]
    evidence = Evidence(
        encoder.encode_texts([f"{name} texture." for name in NAMES]), encoder.logit_scale,
        encoder.encode_images(pictures), torch.tensor(LABELS), class_names=NAMES,
    )  # fmt: skip
    return evidence, [Image.fromarray(render(name, "camera", "test", 0)) for name in NAMES]


@pytest.mark.parametrize(
    ("plus", "plain"),
    [(TipAdapterPP(alpha=2.0), TipAdapter(alpha=2.0)), (TipXPP(gamma=3.0), TipX(gamma=3.0))],
    ids=["tip_adapter_pp", "tip_x_pp"],
)
def test_identity_adapters_give_the_method_without(
    plus, plain, encoder: Encoder, given, tmp_path: Path
) -> None:
    """With zeros on the way up both are their originals bit for bit, searches included; with others only affinities differ."""
    evidence, pictures = given
    support = [image(at) for at in range(16)]

    def fitted(adapters: Adapters):
        file = tmp_path / "a.safetensors"
        file.write_bytes(adapters.to_bytes())
        method = dataclasses.replace(plus, weights=str(file), digest="")
        part = dataclasses.replace(evidence, support_adapted=encode_adapted(encoder, adapters, support))
        query = ImageFeatures(
            encoder.encode_images(pictures), adapted=encode_adapted(encoder, adapters, pictures)
        )
        return Fitted.of(method, part), part, query

    ours, part, query = fitted(first_adapters(4, 128, 8))
    theirs = Fitted.of(plain, evidence)
    assert torch.equal(ours.logits(query), theirs.logits(query))
    grid, labels = plain.grid("support"), torch.arange(4)
    grid = {name: values[:30:7] for name, values in grid.items()}
    assert ours.method.search(part, query, labels, grid) == plain.search(evidence, query, labels, grid)
    moved, _, asked = fitted(strong(first_adapters(4, 128, 8)))
    assert not torch.equal(moved.logits(asked), theirs.logits(query))
    still = dataclasses.replace(moved.method, alpha=0.0).logits(moved.state, asked)
    if isinstance(plain, TipX):
        # The range that psi maps onto is that of the affinities; what is mapped is not theirs.
        assert torch.equal(moved.state.log_sums, theirs.state.log_sums)
    else:
        assert torch.equal(still, dataclasses.replace(plain, alpha=0.0).logits(theirs.state, query))
    save_fitted(tmp_path / "c.safetensors", moved)
    kept = load_fitted(tmp_path / "c.safetensors")
    assert torch.equal(kept.logits(asked), moved.logits(asked))
    assert torch.equal(kept.method.adapters(kept.state).up, moved.method.adapters(moved.state).up)
    with pytest.raises(InputError, match=r"expected adapted features of every image"):
        kept.logits(ImageFeatures(asked.pooled))
    with pytest.raises(InputError, match="compares adapted features, and these come without"):
        moved.method.fit(evidence)
