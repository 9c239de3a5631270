"""Frames prepared one group at a time are what the library prepares for the whole clip."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor
from transformers.models.smolvlm.video_processing_smolvlm import SmolVLMVideoProcessor

from models.reasoning.multimodal.processors import Qwen2VLVideoProcessor, without_torchvision
from models.reasoning.multimodal.qwen import Qwen3VL, Qwen25VL
from models.reasoning.multimodal.smolvlm import SmolVLM
from tests.data.make_video_reference import SETTINGS
from tests.models.reasoning.multimodal.tiny import frames, tiny

STORED = Path(__file__).resolve().parents[3] / "data" / "video_reference.safetensors"
KINDS = ("qwen3_vl", "qwen2_5_vl", "smolvlm")


def prepared(kind: str, pictures: list[Any], **settings: Any) -> torch.Tensor:
    """One frame group after another, with the library's default settings but for these."""
    made = tiny(kind)
    processor = copy.copy(made.processor)
    if kind == "smolvlm":
        processor.video_processor = without_torchvision(SmolVLMVideoProcessor)(**settings)
        each = [SmolVLM(made.model, processor).prepare([p]) for p in pictures]
        return torch.cat([e["pixel_values"] for e in each], dim=1)
    video = {
        "qwen3_vl": without_torchvision(Qwen3VLVideoProcessor),
        "qwen2_5_vl": Qwen2VLVideoProcessor,
    }[kind]
    processor.video_processor = video(**settings)
    family = {"qwen3_vl": Qwen3VL, "qwen2_5_vl": Qwen25VL}[kind](
        made.model, processor, clip_frames=len(pictures)
    )
    each = [family.prepare(pictures[i : i + 2]) for i in range(0, len(pictures), 2)]
    return torch.cat([e["pixel_values_videos"] for e in each])


@pytest.mark.parametrize("kind", KINDS)
def test_groups_equal_the_stored_reference_of_the_whole_clip(kind: str) -> None:
    stored = load_file(STORED)
    made = prepared(kind, list(stored["frames"].numpy()), **SETTINGS[kind])
    assert made.shape == stored[kind].shape
    assert (made - stored[kind]).abs().max() < 1e-6


@pytest.mark.parametrize("size", [(90, 160), (360, 202), (33, 500)])
@pytest.mark.parametrize("kind", KINDS)
def test_groups_equal_the_librarys_own_processor(kind: str, size: tuple[int, int]) -> None:
    pytest.importorskip("torchvision", reason="the library's video processors need torchvision")
    from transformers.models.qwen2_vl import video_processing_qwen2_vl as qwen2

    library: Any = {
        "qwen3_vl": Qwen3VLVideoProcessor,
        "qwen2_5_vl": qwen2.Qwen2VLVideoProcessor,
        "smolvlm": SmolVLMVideoProcessor,
    }[kind]
    pictures = frames(5, seed=1, height=size[0], width=size[1])
    whole = library()(np.stack(pictures), do_sample_frames=False, return_tensors="pt")
    expected = whole["pixel_values" if kind == "smolvlm" else "pixel_values_videos"]
    made = prepared(kind, pictures)
    assert made.shape == expected.shape
    assert (made - expected).abs().max() < 1e-6


def test_a_limit_on_tokens_makes_the_pictures_smaller() -> None:
    made = tiny("qwen2_5_vl")
    wide = Qwen25VL(made.model, made.processor).encode(frames(2, 1, 200, 300), [0.0, 0.5])
    tight = Qwen25VL(made.model, made.processor, frame_tokens=12)
    small = tight.encode(frames(2, 1, 200, 300), [0.0, 0.5])
    assert small.tokens[0, ..., 0].numel() <= 12 < wide.tokens[0, ..., 0].numel()
