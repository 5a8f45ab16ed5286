"""A Stable Diffusion pipeline with random weights, small enough to draw a picture in milliseconds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from susx.images.generate import DrawSettings, LoadedPipeline, load_pipeline


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a complete pipeline (about 60,000 parameters, 16 x 16 pixels, context of 48 tokens)."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    from susx.demo.diffusion_text import build_tokenizer

    folder = tmp_path_factory.mktemp("models")
    tokenizer = build_tokenizer(folder / "words")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(8, 16), latent_channels=4, norm_num_groups=4, sample_size=16,
        )  # fmt: skip
        unet = UNet2DConditionModel(
            sample_size=8, in_channels=4, out_channels=4, block_out_channels=(8, 16), layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=16, attention_head_dim=2,
            norm_num_groups=4,
        )  # fmt: skip
        text = CLIPTextModel(CLIPTextConfig(
            vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, projection_dim=16, num_hidden_layers=1,
            num_attention_heads=2, max_position_embeddings=48, bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.eos_token_id,
        ))  # fmt: skip
    pipeline = StableDiffusionPipeline(
        vae=vae, unet=unet, text_encoder=text, tokenizer=tokenizer, scheduler=DDIMScheduler(clip_sample=False),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder / "random")
    return folder / "random"


@pytest.fixture(scope="session")
def painter(random_model: Path) -> LoadedPipeline:
    """The random model, loaded."""
    return load_pipeline(random_model, device="cpu")


@pytest.fixture
def quick() -> DrawSettings:
    """Two steps with guidance."""
    return DrawSettings(steps=2, guidance=3.0)
