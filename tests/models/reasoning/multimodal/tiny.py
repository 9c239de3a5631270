"""Tiny random models of the real architectures, with processors and a tokenizer, and no hub.

Their weights are scaled up, so that the logits depend on the past and on the pictures.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import (
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2_5OmniProcessor,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMProcessor,
    WhisperFeatureExtractor,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor
from transformers.models.smolvlm.video_processing_smolvlm import SmolVLMVideoProcessor

from models.reasoning.multimodal.processors import (
    Qwen2VLVideoProcessor,
    unchecked,
    without_torchvision,
)

FAMILIES = ("qwen3_vl", "qwen2_5_vl", "qwen2_5_omni_thinker", "smolvlm")

_TEXT = (
    "what is seen in the picture? a cat sat on the mat. seconds user assistant system heard: "
    "You are provided the following series of frames from a [H:MM:SS] video. Frame from 00:01: "
    "the man says hello, and the woman answers. yes no A B C D [12.5 s to 18.0 s]\n read: open\n\n "
    "heard:\n [2.5 s to 5.0 s]\n\n: [ : [ .\n.\n"
)
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_VISION = {"shortest_edge": 16 * 16, "longest_edge": 64 * 64 * 8}
_CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}"
    "{{ m['content'] }}{% else %}{% for c in m['content'] %}{% if c['type'] == 'text' %}"
    "{{ c['text'] }}{% elif c['type'] == 'video' %}VIDEO{% elif c['type'] == 'audio' %}AUDIO"
    "{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SMOL = (
    "<|im_start|>{% for m in messages %}{{ m['role'] | capitalize }}: {% for c in m['content'] %}"
    "{% if c['type'] == 'text' %}{{ c['text'] }}{% elif c['type'] == 'video' %}<video>"
    "{% elif c['type'] == 'image' %}<image>{% endif %}{% endfor %}<end_of_utterance>\n"
    "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)


@dataclass(frozen=True)
class Tiny:
    kind: str
    model: Any
    processor: Any

    def save(self, folder: Path) -> Path:
        """As a model lies on disk, in the files that the hub has."""
        self.model.save_pretrained(folder)
        self.processor.tokenizer.save_pretrained(folder)
        (folder / "chat_template.jinja").write_text(self.processor.chat_template)
        self.processor.video_processor.save_pretrained(folder)
        stored = {"processor_class": type(self.processor).__name__}
        if self.kind == "smolvlm":
            stored["image_seq_len"] = self.processor.image_seq_len
        (folder / "processor_config.json").write_text(json.dumps(stored))
        if self.kind == "qwen2_5_omni_thinker":
            self.processor.feature_extractor.save_pretrained(folder)
        return folder


def tokenizer(special: list[str], names: dict[str, str] | None = None, old: bool = False) -> Any:
    """A byte-level BPE that splits words as Qwen's does, or as GPT-2's and SmolLM2's."""
    model = Tokenizer(BPE())
    split = [pre_tokenizers.Split(Regex(_SPLIT), "isolated")]
    if old:
        split = [pre_tokenizers.Digits(individual_digits=True)]
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [*split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=old)]
    )
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator([_TEXT] * 4, trainer)
    model.add_special_tokens(special)
    return PreTrainedTokenizerFast(
        tokenizer_object=model,
        eos_token=special[1],
        pad_token=special[1],
        extra_special_tokens=names or {},
    )


def tiny(kind: str) -> Tiny:
    torch.manual_seed(11)
    return {
        "qwen3_vl": _qwen3_vl,
        "qwen2_5_vl": _qwen2_5_vl,
        "qwen2_5_omni_thinker": _omni,
        "smolvlm": _smolvlm,
    }[kind]()


def _scaled(model: Any) -> Any:
    """Random weights are small, and logits then hardly depend on what was seen."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim >= 2:
                weight.mul_(4 if "visual" in name or "vision" in name or "audio" in name else 8)
    return model.eval()


def _text_part(vocabulary: int, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": 48,
        "intermediate_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "max_position_embeddings": 8192,
        **more,
    }


_QWEN_TOKENS = [
    "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
    "<|video_pad|>",
]  # fmt: skip


def _qwen_ids(text: Any) -> dict[str, int]:
    number = text.convert_tokens_to_ids
    return {
        "image_token_id": number("<|image_pad|>"),
        "video_token_id": number("<|video_pad|>"),
        "vision_start_token_id": number("<|vision_start|>"),
        "vision_end_token_id": number("<|vision_end|>"),
    }


_QWEN_VISION = {
    "depth": 4, "hidden_size": 32, "intermediate_size": 48, "num_heads": 2, "patch_size": 8,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 48,
}  # fmt: skip


_EYES = {
    "size": _VISION, "patch_size": 8, "temporal_patch_size": 2, "merge_size": 2,
    "cap_pixels_per_frame": False,
}  # fmt: skip


def _qwen_processor(kind: Any, video: Any, text: Any) -> Any:
    return unchecked(kind)(
        image_processor=None,
        tokenizer=text,
        video_processor=video(**_EYES),
        chat_template=_CHATML.replace("VIDEO", "<|vision_start|><|video_pad|><|vision_end|>"),
    )


def _qwen3_vl() -> Tiny:
    text = tokenizer(_QWEN_TOKENS)
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
    config = Qwen3VLConfig(
        text_config=_text_part(
            len(text), head_dim=8, rope_parameters={**rope, "mrope_interleaved": True}
        ),
        vision_config={
            **_QWEN_VISION,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0, 2],
        },
        **_qwen_ids(text),
    )
    processor = _qwen_processor(Qwen3VLProcessor, without_torchvision(Qwen3VLVideoProcessor), text)
    return Tiny("qwen3_vl", _scaled(Qwen3VLForConditionalGeneration(config)), processor)


def _qwen2_5_vl() -> Tiny:
    text = tokenizer(_QWEN_TOKENS)
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
    config = Qwen2_5_VLConfig(
        text_config=_text_part(len(text), rope_parameters=rope, eos_token_id=1, bos_token_id=1),
        vision_config={
            **_QWEN_VISION,
            "window_size": 32,
            "fullatt_block_indexes": [1, 3],
            "tokens_per_second": 2,
        },
        **_qwen_ids(text),
    )
    processor = _qwen_processor(Qwen2_5_VLProcessor, Qwen2VLVideoProcessor, text)
    return Tiny("qwen2_5_vl", _scaled(Qwen2_5_VLForConditionalGeneration(config)), processor)


def _omni() -> Tiny:
    names = {
        "image_token": "<|IMAGE|>",
        "audio_token": "<|AUDIO|>",
        "video_token": "<|VIDEO|>",
        "vision_bos_token": "<|vision_bos|>",
        "vision_eos_token": "<|vision_eos|>",
        "audio_bos_token": "<|audio_bos|>",
        "audio_eos_token": "<|audio_eos|>",
    }
    text = tokenizer(["<|im_start|>", "<|im_end|>", *names.values()], names)
    number = text.convert_tokens_to_ids
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}
    config = Qwen2_5OmniThinkerConfig(
        text_config=_text_part(len(text), rope_parameters=rope, tie_word_embeddings=False),
        vision_config={**_QWEN_VISION, "window_size": 32, "fullatt_block_indexes": [1, 3]},
        audio_config={
            "num_mel_bins": 16, "encoder_layers": 2, "encoder_attention_heads": 2,
            "encoder_ffn_dim": 48, "d_model": 32, "n_window": 20, "output_dim": 48,
            "max_source_positions": 100,
        },
        audio_token_index=number("<|AUDIO|>"),
        image_token_index=number("<|IMAGE|>"),
        video_token_index=number("<|VIDEO|>"),
        audio_start_token_id=number("<|audio_bos|>"),
        audio_end_token_id=number("<|audio_eos|>"),
        vision_start_token_id=number("<|vision_bos|>"),
        vision_end_token_id=number("<|vision_eos|>"),
    )  # fmt: skip
    template = _CHATML.replace("VIDEO", "<|vision_bos|><|VIDEO|><|vision_eos|>")
    processor = unchecked(Qwen2_5OmniProcessor)(
        image_processor=None,
        video_processor=Qwen2VLVideoProcessor(**_EYES),
        feature_extractor=WhisperFeatureExtractor(feature_size=16, chunk_length=30),
        tokenizer=text,
        chat_template=template.replace("AUDIO", "<|audio_bos|><|AUDIO|><|audio_eos|>"),
    )
    processor.videos_kwargs = {"size": _VISION}  # the library's own would make large pictures
    model = _scaled(Qwen2_5OmniThinkerForConditionalGeneration(config))
    return Tiny("qwen2_5_omni_thinker", model, processor)


def _smolvlm() -> Tiny:
    text = tokenizer(
        [
            "<|im_start|>", "<end_of_utterance>", "<image>", "<video>", "<global-img>",
            "<fake_token_around_image>",
        ],
        {
            "image_token": "<image>",
            "fake_image_token": "<fake_token_around_image>",
            "global_image_token": "<global-img>",
            "end_of_utterance_token": "<end_of_utterance>",
        },
        old=True,
    )  # fmt: skip
    config = SmolVLMConfig(
        text_config={"model_type": "llama", **_text_part(len(text), head_dim=8)},
        vision_config={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
            "num_attention_heads": 2, "image_size": 64, "patch_size": 8,
        },
        scale_factor=4,
        image_token_id=text.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    eyes = without_torchvision(SmolVLMVideoProcessor)(
        size={"longest_edge": 128}, max_image_size={"longest_edge": 64}
    )
    processor = unchecked(SmolVLMProcessor)(
        image_processor=None,
        tokenizer=text,
        video_processor=eyes,
        image_seq_len=4,
        chat_template=_SMOL,
    )
    return Tiny("smolvlm", _scaled(SmolVLMForConditionalGeneration(config)), processor)


def save_llava(folder: Path) -> Path:
    """A model without a family of its own, on disk."""
    torch.manual_seed(11)
    text = tokenizer(["<|im_start|>", "<|im_end|>", "<image>"], {"image_token": "<image>"})
    config = LlavaConfig(
        text_config={"model_type": "llama", **_text_part(len(text), head_dim=8)},
        vision_config={
            "model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 48,
            "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 32, "patch_size": 8,
            "projection_dim": 32,
        },
        image_token_index=text.convert_tokens_to_ids("<image>"),
        image_seq_length=16,
    )  # fmt: skip
    _scaled(LlavaForConditionalGeneration(config)).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size=size, crop_size=size),
        tokenizer=text,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_CHATML.replace("video", "image").replace("VIDEO", "<image>"),
    ).save_pretrained(folder)
    return folder


def frames(count: int, seed: int, height: int = 50, width: int = 70) -> list[NDArray[np.uint8]]:
    """Smooth moving blobs: pictures that differ, and that resizing does not flatten."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    phase = random.uniform(0, 6, (3, 3))
    made = []
    for step in range(count):
        layers = [
            np.sin(rows / 7 + p[0] + 0.7 * step)
            + np.cos(columns / 9 + p[1] - 0.4 * step)
            + p[2] / 6
            for p in phase
        ]
        picture = 60 * np.stack(layers, -1) + 110 + random.normal(0, 8, (height, width, 3))
        made.append(picture.clip(0, 255).astype(np.uint8))
    return made
