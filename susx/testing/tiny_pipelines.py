"""Pipelines of today's text-to-image models with random weights of a few thousand parameters, saved as diffusers saves them."""

# mypy: disable-error-code="no-untyped-call, attr-defined, arg-type, no-any-return, call-arg"
# diffusers and transformers are not annotated, or wrongly.

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import transformers
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler

__all__ = ["ARCHITECTURES", "save"]

WORDS = ["<pad>", "<unk>", "<eos>", "a", "photo", "of", "striped", "dotted", "cloth", "user", "assistant"]
CHAT = "{% for message in messages %}{{ message['role'] }} {{ message['content'] }} {% endfor %}assistant"


def tokenizer(**kwargs: Any) -> Any:
    """Whole words; the class that every fast tokenizer of transformers derives from."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    word_level = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<unk>"))
    word_level.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=word_level, pad_token="<pad>", unk_token="<unk>", eos_token="<eos>", **kwargs
    )


def clip_text(kind: Any = transformers.CLIPTextModel) -> Any:
    """A CLIP text encoder of width 32."""
    return kind(transformers.CLIPTextConfig(
        vocab_size=len(WORDS), hidden_size=32, intermediate_size=37, projection_dim=32, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=77, bos_token_id=1, eos_token_id=2, pad_token_id=0, hidden_act="gelu",
    ))  # fmt: skip


def t5() -> Any:
    """A T5 encoder of width 32."""
    return transformers.T5EncoderModel(transformers.T5Config(
        vocab_size=len(WORDS), d_model=32, d_ff=37, d_kv=8, num_layers=1, num_heads=4
    ))  # fmt: skip


def vae(latents: int, **kwargs: Any) -> Any:
    """An autoencoder that keeps the size, as Flux and SD 3.5 configure theirs."""
    return AutoencoderKL(
        sample_size=32, block_out_channels=(4,), layers_per_block=1, latent_channels=latents, norm_num_groups=1,
        use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06, scaling_factor=1.5, **kwargs,
    )  # fmt: skip


def flux(distilled: bool = True) -> Any:
    """Flux.1: dev takes its guidance as a number, schnell does not."""
    return diffusers.FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(), vae=vae(1),
        text_encoder=clip_text(), tokenizer=tokenizer(model_max_length=77),
        text_encoder_2=t5(), tokenizer_2=tokenizer(model_max_length=512),
        transformer=diffusers.FluxTransformer2DModel(
            patch_size=1, in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
            joint_attention_dim=32, pooled_projection_dim=32, axes_dims_rope=(4, 4, 8), guidance_embeds=distilled,
        ),
    )  # fmt: skip


def sd3() -> Any:
    """Stable Diffusion 3.5."""
    projected = transformers.CLIPTextModelWithProjection
    return diffusers.StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(), vae=vae(4),
        text_encoder=clip_text(projected), tokenizer=tokenizer(model_max_length=77),
        text_encoder_2=clip_text(projected), tokenizer_2=tokenizer(model_max_length=77),
        text_encoder_3=t5(), tokenizer_3=tokenizer(model_max_length=77),
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=32, patch_size=1, in_channels=4, num_layers=1, attention_head_dim=8, num_attention_heads=4,
            joint_attention_dim=32, caption_projection_dim=32, pooled_projection_dim=64, out_channels=4,
        ),
    )  # fmt: skip


def sana() -> Any:
    """Sana."""
    return diffusers.SanaPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(), tokenizer=tokenizer(padding_side="right"),
        vae=diffusers.AutoencoderDC(  # 32 pixels a latent: Sana draws at 512 pixels at least, whatever is asked for
            in_channels=3, latent_channels=4, attention_head_dim=2,
            encoder_block_types=("ResBlock",) * 6, decoder_block_types=("ResBlock",) * 6,
            encoder_block_out_channels=(8,) * 6, decoder_block_out_channels=(8,) * 6,
            encoder_qkv_multiscales=((),) * 6, decoder_qkv_multiscales=((),) * 6,
            encoder_layers_per_block=(1,) * 6, decoder_layers_per_block=(1,) * 6, scaling_factor=1.0,
        ),
        text_encoder=transformers.Gemma2Model(transformers.Gemma2Config(
            vocab_size=len(WORDS), hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
            num_key_value_heads=1, head_dim=4, max_position_embeddings=2048, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        )),
        transformer=diffusers.SanaTransformer2DModel(
            patch_size=1, in_channels=4, out_channels=4, num_layers=1, num_attention_heads=2, attention_head_dim=4,
            num_cross_attention_heads=2, cross_attention_head_dim=4, cross_attention_dim=8, caption_channels=8, sample_size=16,
        ),
    )  # fmt: skip


def qwen_image() -> Any:
    """Qwen-Image."""
    config = transformers.Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 2, "vocab_size": len(WORDS), "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
            "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"}, "rope_theta": 1e6,
        },
        vision_config={
            "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16,
        },
        vision_start_token_id=3, vision_end_token_id=4, vision_token_id=5, image_token_id=6, video_token_id=7,
    )  # fmt: skip
    return diffusers.QwenImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(), tokenizer=tokenizer(model_max_length=1200),
        vae=diffusers.AutoencoderKLQwenImage(
            base_dim=24, z_dim=4, dim_mult=[1, 2, 4], num_res_blocks=1, temperal_downsample=[False, True],
            latents_mean=[0.0] * 4, latents_std=[1.0] * 4,
        ),
        text_encoder=transformers.Qwen2_5_VLForConditionalGeneration(config),
        transformer=diffusers.QwenImageTransformer2DModel(
            patch_size=2, in_channels=16, out_channels=4, num_layers=2, attention_head_dim=16, num_attention_heads=3,
            joint_attention_dim=16, guidance_embeds=False, axes_dims_rope=(8, 4, 4),
        ),
    )  # fmt: skip


def z_image() -> Any:
    """Z-Image."""
    return diffusers.ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, block_out_channels=(4, 8),
            layers_per_block=1, latent_channels=16, norm_num_groups=2, sample_size=32, scaling_factor=0.36, shift_factor=0.11,
        ),
        tokenizer=tokenizer(chat_template=CHAT, model_max_length=1200),
        text_encoder=transformers.Qwen3Model(transformers.Qwen3Config(
            hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
            vocab_size=len(WORDS), max_position_embeddings=512, head_dim=8,
        )),
        transformer=diffusers.ZImageTransformer2DModel(
            all_patch_size=(2,), all_f_patch_size=(1,), in_channels=16, dim=32, n_layers=2, n_refiner_layers=1, n_heads=2,
            n_kv_heads=2, qk_norm=True, cap_feat_dim=16, rope_theta=256.0, t_scale=1000.0, axes_dims=[8, 4, 4],
            axes_lens=[256, 32, 32],
        ),
    )  # fmt: skip


ARCHITECTURES: dict[str, Callable[[], Any]] = {
    "flux": flux, "flux-undistilled": lambda: flux(distilled=False), "sd3": sd3, "sana": sana,
    "qwen-image": qwen_image, "z-image": z_image,
}  # fmt: skip


def save(name: str, folder: Path) -> Path:
    """Write the pipeline of a name with weights of a fixed seed."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        ARCHITECTURES[name]().save_pretrained(folder)
    return folder
