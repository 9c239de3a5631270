"""SmolVLM2: each frame is an image with its time in words; positions are plain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from models.reasoning.multimodal.family import (
    Clip,
    Frames,
    LibraryFamily,
    metadata,
    stacked,
    without_empty_steps,
)
from models.reasoning.multimodal.visual import VisualFeatures


class SmolVLM(LibraryFamily):
    name = "SmolVLM2"
    group = 1

    def prepare(self, frames: Frames) -> Any:
        """Pixels and their mask as the library's video processor makes them for the clip."""
        eyes = self.processor.video_processor
        return eyes(stacked(frames), do_sample_frames=False, return_tensors="pt")

    @torch.inference_mode()
    def encode(self, frames: Frames, times: Sequence[float]) -> VisualFeatures:
        inputs = self.prepare(frames)
        device = self.model.model.vision_model.device
        out = self.model.model.get_image_features(
            inputs["pixel_values"].to(device),
            inputs["pixel_attention_mask"].to(device),
            return_dict=True,
        )
        tokens = torch.cat(list(out.pooler_output))
        side = round((len(tokens) / len(frames)) ** 0.5)
        return VisualFeatures(tokens.reshape(len(frames), side, side, -1), tuple(times))

    @property
    def _visual_id(self) -> int:
        return int(self.processor.image_token_id)

    def _present(self, clip: Clip) -> Clip:
        return clip if clip.visual is None else Clip(without_empty_steps(clip.visual))

    def _layout(self, clip: Clip) -> str:
        """The library's text for a video; a picture that was pooled or thinned out has the
        fewer image tokens."""
        assert clip.visual is not None
        steps, height, width = clip.visual.size
        inputs = {
            "pixel_values": torch.empty(1, steps, device="meta"),
            "video_metadata": [metadata(clip.visual.times)],
        }
        text: str = self.processor.replace_video_token(inputs, 0)
        one = self.processor.image_token
        return text.replace(one * self.processor.image_seq_len, one * (height * width))
