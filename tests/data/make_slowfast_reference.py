"""How tests/data/slowfast was made: a tiny random checkpoint written by the authors' own code, and
what that code computes with it.

Needs https://github.com/SHI-Labs/Slow-Fast-Video-Multimodal-LLM at commit 69676a1 on the path, and
transformers 4.46.3, timm 1.0.12 (with torchvision) and einops 0.8.0, in an environment of its own:

    python tests/data/make_slowfast_reference.py tests/data/slowfast
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import llava.model.language_model.hybrid_decoder_layer as layers
import llava.model.multimodal_encoder.convnext_encoder as tower
import torch
from llava.model import LlavaQwenSlowFastConfig, LlavaQwenSlowFastForCausalLM
from llava.model.multimodal_encoder.vision_models.convnext import ConvNeXt
from safetensors.torch import save_file
from torch.nn import functional

SIDE = 128


def attention(q: Any, k: Any, v: Any, mask: Any, length: int, **more: Any) -> Any:
    """FlashAttention runs on no CPU."""
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2)


def main(folder: Path) -> None:
    torch.manual_seed(0)
    layers._flash_attention_forward = attention
    layers.QWEN2_HYBRID_ATTENTION_CLASSES["sdpa"] = layers.Qwen2HybridFlashAttention2
    tower.convnext_xxlarge = lambda _: ConvNeXt(
        depths=[1, 1, 2, 1], dims=[4, 8, 8, 16], norm_eps=1e-5
    )
    tower.safetensors.torch = type("Files", (), {"load_file": lambda *_, **__: {}})
    tower.load_state_dict_into_model = lambda **_: None
    config = LlavaQwenSlowFastConfig(
        vocab_size=32,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        rope_theta=1e6,
        tie_word_embeddings=False,
        mm_vision_tower="convnext-576",
        mm_hidden_size=16,
        mm_projector_type="mlp2x_gelu",
        mm_vision_select_layer=-2,
        mm_vision_select_feature="patch",
        mm_patch_merge_type="flat",
        mm_use_im_start_end=False,
        mm_use_im_patch_token=False,
        mm_video_pooling_stride=2,
        cross_attn_every_n_layers=2,
        cross_attn_gating_type="whole-dynamic-tanh-warmup",
        cross_attn_implementation="text-only-vanilla",
        cross_attn_max_layer_depth=5,
        cross_attn_min_layer_depth=0,
        tile_image_input=False,
        min_fast_frames=2,
        fast_token_spatial_stride=1,
        fast_token_temporal_stride=2,
        fast_token_temporal_sampling_stride=1,
    )
    model = LlavaQwenSlowFastForCausalLM._from_config(config, attn_implementation="sdpa").eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(0, 0.4)
            if weight.ndim == 1 and name.endswith("weight"):
                weight.add_(1)
            if "warm_up" in name:
                weight.fill_(0.8)
            weight.copy_(weight.half())  # what is saved is what is computed with
    frames = torch.randint(0, 256, (5, 40, 56, 3), dtype=torch.uint8)
    prepare = model.get_vision_tower().image_processor
    prepare.size, prepare.crop_size = SIDE, {"height": SIDE, "width": SIDE}
    pixels = prepare.preprocess(list(frames.numpy()), return_tensors="pt")["pixel_values"]
    ids = torch.tensor([[5, 9, -200, 3, 11, 7, 30, 2]])
    kept = {"frames": frames, "ids": ids[0]}
    with torch.no_grad():
        for sampling, temporal, spatial, count in (
            (1, 2, 1, 5),
            (2, 1, 1, 5),
            (2, 2, 1, 5),
            (1, 4, 2, 5),
            (1, 2, 1, 1),
        ):
            model.config.fast_token_temporal_sampling_stride = sampling
            model.config.fast_token_temporal_stride = temporal
            model.config.fast_token_spatial_stride = spatial
            logits = model(ids, images=[pixels[:count]], use_cache=False).logits
            kept[f"{sampling}.{temporal}.{spatial}.{count}"] = logits
    config.fast_token_temporal_sampling_stride = config.fast_token_spatial_stride = 1
    config.fast_token_temporal_stride = 2
    model.half().save_pretrained(folder, safe_serialization=True)
    save_file(kept, folder.parent / f"{folder.name}_reference.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
