"""Gaze in what a multimodal model is given: in its words, pictures, tokens, and in the choice
of segments and frames. Which of these, :class:`models.gaze.cues.Cues` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from models.compression.foveated import foveate
from models.gaze.cues import (
    DRAWN_MEANS,
    SALIENCY_MEANS,
    Cues,
    Rest,
    choose_frames,
    drawn,
    frame_scores,
    in_words,
    saliency_map,
    score,
    weights,
)
from models.reasoning.multimodal.visual import Compressor, VisualFeatures, VisualTokens
from models.reasoning.reasoner import Gazed, Line, Passage

MAP_SHARE = 8
"""One in so many of the slow tokens of a question goes to the map of the scanpath."""

MAP_SIDE = 320
"""Pixels of the longer side of that map."""


def lines(passage: Passage, cues: Cues) -> tuple[Line, ...]:
    """A passage's lines with its looks in words, or without any where they are not to be."""
    others = [line for line in passage.lines if line.kind != "gaze"]
    if not cues.text:
        return tuple(others)
    if not passage.looks:
        return passage.lines
    told = [
        Line(look.start, look.end, "gaze", in_words(look, look.what))
        for look in _whole(passage.looks)
    ]
    return tuple(sorted([*others, *told], key=lambda line: line.start))


def _whole(looks: Sequence[Gazed]) -> list[Gazed]:
    """Looks with the pieces of a long one put together; it rested where its last piece did."""
    joined: list[Gazed] = []
    for look in looks:
        if joined and joined[-1].end == look.start and joined[-1].what == look.what:
            joined[-1] = replace(look, start=joined[-1].start)
        else:
            joined.append(look)
    return joined


def pictures(passage: Passage, cues: Cues) -> tuple[NDArray[np.uint8], ...]:
    """A passage's frames, with the gaze of each one's time drawn in where it is to be."""
    if not (cues.drawn and passage.looks):
        return passage.frames
    return tuple(
        drawn(frame, time, passage.looks)
        for frame, time in zip(passage.frames, passage.frame_times, strict=True)
    )


def scanpath(
    passages: Sequence[Passage], cues: Cues, shape: tuple[int, int] | None
) -> NDArray[np.uint8] | None:
    """The map of all that was looked at in some passages, RGB of the proportions of ``shape``
    (H, W); None where there is none to be."""
    looks = [look for passage in passages for look in passage.looks]
    if not cues.saliency or not looks or shape is None:
        return None
    scale = MAP_SIDE / max(shape)
    size = max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
    return np.repeat(saliency_map(looks, size)[..., None], 3, axis=2)


def meaning(cues: Cues, gazed: bool, mapped: bool) -> str:
    """What must be said of pictures with cues in them; empty where they have none.

    Args:
        gazed: there are pictures of somebody's looks.
        mapped: there is a map of the scanpath.
    """
    said = []
    if cues.drawn and gazed:
        said.append(DRAWN_MEANS)
    if mapped:
        said.append(SALIENCY_MEANS)
    return "".join(f"{sentence}\n" for sentence in said)


def fast(
    compress: Compressor, run: VisualFeatures, seconds: float, looks: Sequence[Rest], cues: Cues
) -> VisualTokens:
    """As many fast tokens as without gaze; in their means, what was looked at counts more."""
    if not (cues.foveated and looks):
        return compress.fast(run, seconds)
    height, width = run.tokens.shape[1:3]
    counted = weights(looks, run.times, (height, width))
    return compress.fast(run, seconds, torch.from_numpy(counted).to(run.tokens.device))


def slow(
    compress: Compressor, run: VisualFeatures, seconds: float, looks: Sequence[Rest], cues: Cues
) -> VisualTokens:
    """As many slow tokens as without gaze; dense around it where they are to be foveated."""
    plain = compress.slow(run, seconds)
    if not (cues.foveated and looks and len(plain)):
        return plain
    return foveate(run, looks, len(plain)).tokens


@dataclass(frozen=True, slots=True)
class Attention:
    """How much a segment, and each frame of its slow tokens, was looked at."""

    segment: float
    frames: tuple[float, ...]


def attention(passage: Passage, times: Sequence[float]) -> Attention:
    """Of the frames at ``times``."""
    whole = score(passage.looks, passage.start, passage.end)
    return Attention(whole, tuple(frame_scores(times, passage.looks)))


def best_frame(passage: Passage, cues: Cues) -> int:
    """The place of the one frame that stands for a passage: the middle one, or that of the
    longest look."""
    if cues.choice and passage.looks:
        return choose_frames(passage.frame_times, passage.looks, 1)[0]
    return len(passage.frames) // 2
