"""What the engine asks of a model family, and what all families have in common.

A family wraps a model of the library and its processor: it turns frames and sound into
tokens, and a stretch of the stream (text, clips) into a run for the streaming context. The
layout of a prompt, the M-RoPE positions and the preparation of frames all come from the
library, so that with everything kept the run is what the library builds for the same clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.video_utils import VideoMetadata

from models.reasoning.context import Tokens
from models.reasoning.multimodal.chat import Chat
from models.reasoning.multimodal.visual import VisualFeatures, VisualTokens

Frames = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A stretch of sound in the decoder's width.

    Attributes:
        tokens: ``(n, D)``.
        length: frames of the log-mel spectrogram it was made from.
    """

    tokens: Tensor
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Pictures, sound, or both of the same stretch of time."""

    visual: VisualTokens | None = None
    sound: Sound | None = None


Part = str | Clip


class Family(Protocol):
    """One kind of model.

    Attributes:
        name: for people, ``"Qwen3-VL"``.
        group: frames that the model takes as one step in time.
        hears: sound goes in beside the pictures.
        tokenizer: the library's.
    """

    name: str
    tokenizer: Any
    group: int
    hears: bool

    def encode(self, frames: Frames, times: Sequence[float]) -> VisualFeatures:
        """Visual tokens of frames of one size, RGB uint8 ``(H, W, 3)``, with their stream
        times in seconds. A last group that is not full is filled up with its last frame.

        Frame groups do not see each other in the vision tower, so encoding them one by one,
        as they arrive, gives what encoding the whole clip gives.
        """
        ...

    def listen(self, samples: NDArray[np.float32]) -> Sound:
        """Audio tokens of mono sound at 16 kHz.

        Raises:
            NotImplementedError: the family does not hear.
        """
        ...

    def render(self, parts: Sequence[Part]) -> Tokens:
        """Text and clips, in order, as one run with relative positions."""
        ...

    def chat(self, system: str) -> Chat:
        """The pieces of a chat in which the stream is the first user turn."""
        ...


class LibraryFamily:
    """The common part: a model of the library with its processor.

    Args:
        model: with ``get_decoder`` and an output head; moved to its devices already.
        processor: the library's processor, see
            :func:`models.reasoning.multimodal.processors.load_processor`.
    """

    name = ""
    group = 1
    hears = False

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self._embed = model.get_decoder().get_input_embeddings()

    def chat(self, system: str) -> Chat:
        return Chat(self.processor, system)

    def encode(self, frames: Frames, times: Sequence[float]) -> VisualFeatures:
        raise NotImplementedError

    def listen(self, samples: NDArray[np.float32]) -> Sound:
        raise NotImplementedError(f"{self.name} does not hear")

    @torch.inference_mode()
    def render(self, parts: Sequence[Part]) -> Tokens:
        clips = [self._present(p) for p in parts if isinstance(p, Clip)]
        pending = iter(clips)
        text = "".join(p if isinstance(p, str) else self._layout(next(pending)) for p in parts)
        ids = torch.tensor(self.tokenizer(text, add_special_tokens=False)["input_ids"]).long()
        if not clips:
            return Tokens(ids=ids)
        seen, heard = ids == self._visual_id, ids == self._sound_id
        kept = torch.ones_like(seen)
        kept[seen] = torch.cat([_kept(c.visual) for c in clips if c.visual is not None] or [_NONE])
        positions = self._positions(ids, clips)
        after = None if positions is None else int(positions[..., -1].max()) + 1
        embeds = self._embed(ids[kept].to(self._embed.weight.device))
        visual = [c.visual for c in clips if c.visual is not None]
        if visual:
            embeds[seen[kept]] = torch.cat([v.tokens for v in visual]).to(embeds)
        sound = [c.sound for c in clips if c.sound is not None]
        if sound:
            embeds[heard[kept]] = torch.cat([s.tokens for s in sound]).to(embeds)
        deepstack = tuple(
            torch.cat(layers) for layers in zip(*(v.deepstack for v in visual), strict=True)
        )
        return Tokens(
            embeds=embeds,
            positions=None if positions is None else positions[..., kept],
            visual=seen[kept] if deepstack else None,
            deepstack=deepstack,
            next_position=after,
            relative=positions is not None,
        )

    @property
    def _visual_id(self) -> int:
        """The token that stands for one visual token in the text."""
        return int(self.processor.video_token_id)

    @property
    def _sound_id(self) -> int:
        return -1

    def _present(self, clip: Clip) -> Clip:
        """The clip as it is laid out; steps of which nothing was kept may go."""
        return clip

    def _layout(self, clip: Clip) -> str:
        """The text of a clip, with a placeholder for each cell of its grid."""
        raise NotImplementedError

    def _positions(self, ids: Tensor, clips: Sequence[Clip]) -> Tensor | None:
        """Positions ``(3, n)`` of the text with all its placeholders, from 0; None for the
        plain order."""
        return None


_NONE = torch.zeros(0, dtype=torch.bool)


def _kept(visual: VisualTokens) -> Tensor:
    """bool ``(T * H * W,)``: which cells of the grid still have a token."""
    _, height, width = visual.size
    steps, rows, columns = visual.grid.unbind(-1)
    kept = torch.zeros(int(np.prod(visual.size)), dtype=torch.bool)
    kept[(steps * height + rows) * width + columns] = True
    if int(kept.sum()) != len(visual):
        raise ValueError("two visual tokens claim the same cell of the grid")
    return kept


def without_empty_steps(visual: VisualTokens) -> VisualTokens:
    """Without the steps in time of which no token was kept, the others moved up."""
    present, moved = torch.unique(visual.grid[:, 0], return_inverse=True)
    if len(present) == visual.size[0]:
        return visual
    return replace(
        visual,
        grid=torch.cat([moved[:, None], visual.grid[:, 1:]], dim=1),
        size=(len(present), *visual.size[1:]),
        times=tuple(visual.times[i] for i in present.tolist()),
    )


def step_times(times: Sequence[float], group: int) -> tuple[float, ...]:
    """Mean stream time of each group of frames, the last one filled up with its last frame."""
    filled = [*times, *[times[-1]] * (-len(times) % group)]
    return tuple(float(np.mean(filled[i : i + group])) for i in range(0, len(filled), group))


def stacked(frames: Frames) -> Tensor:
    """``(T, 3, H, W)`` uint8.

    Raises:
        ValueError: there are none, or they differ in size.
    """
    if not frames or len({f.shape for f in frames}) != 1:
        raise ValueError("frames encoded together must be of one size, and at least one")
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).contiguous()


def metadata(times: Sequence[float], frames_a_step: int = 1) -> VideoMetadata:
    """What the library's processors call a video's metadata: here frame numbers are stream
    seconds, at one frame a second."""
    numbers = [t for t in times for _ in range(frames_a_step)]
    duration = numbers[-1] - numbers[0]
    return VideoMetadata(
        total_num_frames=len(numbers), fps=1.0, frames_indices=numbers, duration=duration
    )
