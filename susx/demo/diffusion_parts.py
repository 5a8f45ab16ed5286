"""The architecture of the embedded diffusion model: a Stable Diffusion in miniature, from diffusers' own classes.

64 x 64 images <-> latents of 8 x 16 x 16 (AutoencoderKL, factor 4); a U-Net with cross-attention to a two-layer CLIP
text encoder, whose pooled output also joins the time embedding; v-prediction on a cosine schedule.
"""

# mypy: disable-error-code="no-untyped-call, no-any-return"
# diffusers, transformers and parts of torch are not annotated.

from __future__ import annotations

from typing import Any

from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

__all__ = [
    "CONTEXT",
    "IMAGE_SIZE",
    "LATENT_CHANNELS",
    "SCALE",
    "TEXT_WIDTH",
    "scheduler",
    "text_encoder",
    "unet",
    "vae",
]

IMAGE_SIZE = 64
SCALE = 4  #: image pixels per latent pixel
LATENT_CHANNELS = 8
TEXT_WIDTH = 96
CONTEXT = 48  #: tokens of a prompt, start and end included


def vae() -> Any:
    """The image autoencoder, with random weights."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 64),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        sample_size=IMAGE_SIZE,
        mid_block_add_attention=False,
    )


def unet() -> Any:
    """The denoiser, with random weights: attention at 8 x 8 and 4 x 4, text in the time embedding too."""
    return UNet2DConditionModel(
        sample_size=IMAGE_SIZE // SCALE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=(48, 112, 176),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D", "UpBlock2D"),
        mid_block_type="UNetMidBlock2DCrossAttn",
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
        resnet_time_scale_shift="scale_shift",
        encoder_hid_dim=None,
        addition_embed_type="text",
        addition_embed_type_num_heads=4,
    )


def text_encoder(vocabulary: int, start: int, end: int) -> CLIPTextModel:
    """The prompt encoder, with random weights, for a tokenizer of ``vocabulary`` tokens."""
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=TEXT_WIDTH,
        intermediate_size=4 * TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        bos_token_id=start,
        eos_token_id=end,
        pad_token_id=end,
    )
    return CLIPTextModel(config)


def scheduler() -> Any:
    """Cosine schedule (Nichol & Dhariwal 2021), v-prediction (Salimans & Ho 2022), trailing steps (Lin et al. 2024)."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
    )
