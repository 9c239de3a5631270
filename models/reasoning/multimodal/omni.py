"""Qwen2.5-Omni (its thinker): Qwen2.5-VL with sound beside the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.media import SAMPLE_RATE
from models.reasoning.context import Tokens
from models.reasoning.multimodal.family import Clip, Part, Sound
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
        ears = self.processor.feature_extractor
        samples = samples[: ears.n_samples]
        length = -(-len(samples) // ears.hop_length)
        # The library pads to the longest there can be, and masks: all that the frames kept
        # ever see of it is one window of silence.
        made = ears(
            [np.pad(samples, (0, ears.n_fft))],
            sampling_rate=SAMPLE_RATE,
            padding="longest",
            return_tensors="pt",
        )["input_features"][:, :, :length]
        device = self.model.model.audio_tower.device
        out = self.model.model.get_audio_features(
            made.to(device),
            feature_attention_mask=torch.ones(1, length, dtype=torch.long, device=device),
            return_dict=True,
        )
        return Sound(out.last_hidden_state, length)

    def render(self, parts: Sequence[Part]) -> Tokens:
        """Clip by clip, each with the text before it: the library's index of positions has
        one switch, with or without sound, for all the videos of a prompt."""
        runs: list[list[Part]] = [[]]
        for part in parts:
            runs[-1].append(part)
            if isinstance(part, Clip):
                runs.append([])
        rendered = [super(Qwen25Omni, self).render(run) for run in runs if run]
        return rendered[0] if len(rendered) == 1 else self._joined(rendered)

    @torch.inference_mode()
    def _joined(self, runs: Sequence[Tokens]) -> Tokens:
        embeds, positions, first = [], [], 0
        for run in runs:
            if run.embeds is not None:
                embeds.append(run.embeds)
            else:
                assert run.ids is not None
                embeds.append(self._embed(run.ids.to(self._embed.weight.device)))
            plain = torch.arange(len(run)).expand(3, -1)
            positions.append(first + (plain if run.positions is None else run.positions))
            first += len(run) if run.next_position is None else run.next_position
        return Tokens(
            embeds=torch.cat(embeds),
            positions=torch.cat(positions, dim=1),
            next_position=first,
            relative=True,
        )

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
        (clip,) = clips
        if clip.visual is None:
            return None  # sound alone is counted like text
        heard = None if clip.sound is None else torch.tensor([clip.sound.length])
        positions, _ = self.model.model.get_rope_index(
            ids[None],
            video_grid_thw=self._patches([clip.visual]),
            use_audio_in_video=clip.sound is not None,
            audio_seqlens=heard,
            second_per_grids=torch.tensor([seconds_a_step(clip.visual.times)]),
        )
        out: Tensor = positions[:, 0]
        return out
