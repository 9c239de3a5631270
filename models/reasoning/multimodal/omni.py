"""Qwen2.5-Omni (its thinker): Qwen2.5-VL with sound beside the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.media import SAMPLE_RATE
from models.reasoning.multimodal.family import Clip, Sound
from models.reasoning.multimodal.qwen import QwenVL, seconds_a_step
from models.reasoning.multimodal.visual import VisualTokens


class Qwen25Omni(QwenVL):
    """Pictures and sound of a clip alternate, two seconds of each at a time."""

    name = "Qwen2.5-Omni"
    hears = True

    def __init__(self, model: Any, processor: Any, **limits: Any) -> None:
        super().__init__(model, processor, **limits)
        self._hearing = self.chat("").mark("audio")

    @torch.inference_mode()
    def listen(self, samples: NDArray[np.float32]) -> Sound:
        """Audio tokens, 25 a second; what is longer than the feature extractor takes at once
        (30 or 300 s) is cut off there, as in the library."""
        made = self.processor.feature_extractor(
            [samples],
            sampling_rate=SAMPLE_RATE,
            padding="max_length",
            return_attention_mask=True,
            return_tensors="pt",
        )
        device = self.model.model.audio_tower.device
        out = self.model.model.get_audio_features(
            made["input_features"].to(device),
            feature_attention_mask=made["attention_mask"].to(device),
            return_dict=True,
        )
        return Sound(out.last_hidden_state, int(made["attention_mask"].sum()))

    @property
    def _sound_id(self) -> int:
        return int(self.processor.audio_token_id)

    def _layout(self, clip: Clip) -> str:
        sound = "" if clip.sound is None else self.processor.audio_token * len(clip.sound.tokens)
        if clip.visual is None:
            return self._hearing.replace(self.processor.audio_token, sound)
        if clip.sound is None:
            placeholders = self.processor.video_token * int(np.prod(clip.visual.size))
        else:
            placeholders = self._interleaved(clip.visual, len(clip.sound.tokens))
        return self._mark.replace(self.processor.video_token, placeholders)

    def _interleaved(self, visual: VisualTokens, sounds: int) -> str:
        """By the library's own rule, from the clip's grid and seconds a step."""
        text: str = self.processor.replace_video_with_audio_token(
            {
                "video_grid_thw": self._patches([visual]).numpy(),
                "video_second_per_grid": [seconds_a_step(visual.times)],
            },
            0,
            {"num_audio_tokens": [sounds]},
            0,
            position_id_per_seconds=self.model.config.position_id_per_seconds,
            seconds_per_chunk=self.model.config.seconds_per_chunk,
        )
        return text

    def _positions(self, ids: Tensor, clips: Sequence[Clip]) -> Tensor | None:
        """Clips one by one: the library's index has one switch for all of a prompt's videos,
        with or without sound."""
        visual = [c.visual for c in clips if c.visual is not None]
        if not visual:
            return None  # sound alone is counted like text
        together = {c.sound is not None for c in clips if c.visual is not None}
        if len(together) > 1 or (together == {True} and len(visual) < len(clips)):
            raise ValueError("clips with and without sound must be rendered one at a time")
        heard = [c.sound.length for c in clips if c.sound is not None]
        positions, _ = self.model.model.get_rope_index(
            ids[None],
            video_grid_thw=self._patches(visual),
            use_audio_in_video=together == {True},
            audio_seqlens=torch.tensor(heard) if heard else None,
            second_per_grids=torch.tensor([seconds_a_step(v.times) for v in visual]),
        )
        out: Tensor = positions[:, 0]
        return out
