"""Qwen3-VL and Qwen2.5-VL: two frames to a step in time, M-RoPE, deepstack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.image_utils import SizeDict

from models.reasoning.multimodal.family import (
    Clip,
    Frames,
    LibraryFamily,
    metadata,
    stacked,
    step_times,
    without_empty_steps,
)
from models.reasoning.multimodal.visual import VisualFeatures, VisualTokens


class QwenVL(LibraryFamily):
    """What the Qwen families share.

    Args:
        clip_frames: the library shares its budget of pixels among a clip's frames; a stream
            has no such number, so its frames get the size that they would have in a clip of
            this many.
        frame_tokens: most visual tokens a frame group may have, before any compression;
            None for the library's own limit.
    """

    group = 2

    def __init__(
        self, model: Any, processor: Any, clip_frames: int = 256, frame_tokens: int | None = None
    ) -> None:
        super().__init__(model, processor)
        self.clip_frames = clip_frames
        self.frame_tokens = frame_tokens
        self._eyes = processor.video_processor
        if self._eyes.cap_pixels_per_frame is None:
            self._eyes.cap_pixels_per_frame = False  # what the library takes, without its warning
        self.group = int(self._eyes.temporal_patch_size)
        self._mark = self.chat("").mark("video")

    def prepare(self, frames: Frames) -> Any:
        """Patches and their grid as the library's video processor makes them for the clip."""
        video = stacked(frames)
        height, width = self.frame_size(*video.shape[-2:])
        return self._eyes(
            self._eyes.resize_to(video, height, width),
            do_resize=False,
            do_sample_frames=False,
            return_tensors="pt",
        )

    @torch.inference_mode()
    def encode(self, frames: Frames, times: Sequence[float]) -> VisualFeatures:
        inputs = self.prepare(frames)
        tower = self.model.model.visual
        out = self.model.model.get_video_features(
            inputs["pixel_values_videos"].to(tower.device),
            inputs["video_grid_thw"].to(tower.device),
            return_dict=True,
        )
        steps, rows, columns = inputs["video_grid_thw"][0].tolist()
        merge = self._eyes.merge_size
        grid = (steps, rows // merge, columns // merge, -1)
        return VisualFeatures(
            tokens=out.pooler_output[0].reshape(grid),
            times=step_times(times, self.group),
            deepstack=tuple(
                layer[0].reshape(grid) for layer in getattr(out, "deepstack_features", None) or ()
            ),
        )

    def frame_size(self, height: int, width: int) -> tuple[int, int]:
        """Pixels (height, width) that a frame of this size is brought to: the library's
        ``smart_resize`` for a clip of ``clip_frames`` frames."""
        eyes = self._eyes
        factor = eyes.patch_size * eyes.merge_size
        # The processor's own defaults (Qwen2.5-Omni has some) go before the stored ones.
        size = dict(self.processor.videos_kwargs.get("size") or eyes.size)
        least, most = size["shortest_edge"], size["longest_edge"]
        if self.frame_tokens is not None:
            most = min(most, self.frame_tokens * factor**2 * self._frames_in_budget)
            least = min(least, most)
        probe = torch.empty(1, self.clip_frames, 3, height, width, dtype=torch.uint8, device="meta")
        out = eyes.resize(
            probe,
            size=SizeDict(shortest_edge=least, longest_edge=most),
            resample=eyes.resample,
            factor=factor,
            temporal_factor=self.group,
            cap_pixels_per_frame=eyes.cap_pixels_per_frame,
        )
        return int(out.shape[-2]), int(out.shape[-1])

    @property
    def _frames_in_budget(self) -> int:
        """Frames among which the library's pixel budget is shared."""
        return 1

    def _layout(self, clip: Clip) -> str:
        assert clip.visual is not None
        inputs = {
            "video_grid_thw": self._patches([clip.visual]),
            "video_metadata": [metadata(clip.visual.times, self.group)],
        }
        placeholders = self.processor.replace_video_token(inputs, 0)
        return self._mark.replace(self.processor.video_token, placeholders)

    def _positions(self, ids: Tensor, clips: Sequence[Clip]) -> Tensor | None:
        kinds = torch.tensor(self.processor.create_mm_token_type_ids([ids.tolist()]))
        visual = [c.visual for c in clips if c.visual is not None]
        positions, _ = self.model.model.get_rope_index(
            ids[None],
            mm_token_type_ids=kinds,
            video_grid_thw=self._patches(visual),
            second_per_grid_ts=[seconds_a_step(v.times) for v in visual],
        )
        out: Tensor = positions[:, 0]
        return out

    def _patches(self, visual: Sequence[VisualTokens]) -> Tensor:
        """Grids in patches of the vision tower, ``(clips, 3)``."""
        merge = self._eyes.merge_size
        return torch.tensor([[t, h * merge, w * merge] for t, h, w in (v.size for v in visual)])


class Qwen3VL(QwenVL):
    """Each step in time stands by itself, with its time in words before it."""

    name = "Qwen3-VL"

    @property
    def _frames_in_budget(self) -> int:
        return self.clip_frames

    def _present(self, clip: Clip) -> Clip:
        return clip if clip.visual is None else Clip(without_empty_steps(clip.visual), clip.sound)


class Qwen25VL(QwenVL):
    """Time is in the rotary positions alone, so a clip keeps all its steps."""

    name = "Qwen2.5-VL"


def seconds_a_step(times: Sequence[float]) -> float:
    """Seconds between steps, to the millisecond: M-RoPE cuts its product with the tokens a
    second down to whole numbers, and a rounding error in a time would lose one."""
    return round((times[-1] - times[0]) / (len(times) - 1), 3) if len(times) > 1 else 1.0
