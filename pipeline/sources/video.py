"""Decoded pictures to upright RGB frames, at no more than the rate that is wanted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from models.media import Frame


class VideoConverter:
    """Picks candidate frames and converts those alone.

    Args:
        rate: most frames a second to convert; ``math.inf`` for every frame.
        longest_side: larger pictures are scaled down to this many pixels.
    """

    def __init__(self, rate: float, longest_side: int) -> None:
        if not rate > 0:
            raise ValueError(f"rate must be above 0 frames a second, not {rate}")
        self._rate = rate
        self._longest_side = longest_side
        self._slot = -1
        self._last = -math.inf

    def convert(self, frame: Any, time: float) -> Frame | None:
        """``frame`` upright in RGB, or None where it is not a candidate or is out of order."""
        if time <= self._last or not self._due(time):
            return None
        self._last = time
        size = upright_size(frame, self._longest_side)
        quarter_turns = round(frame.rotation / 90) % 4
        width, height = size[::-1] if quarter_turns % 2 else size
        picture = frame.to_ndarray(format="rgb24", width=width, height=height)
        if quarter_turns:
            picture = np.ascontiguousarray(np.rot90(picture, quarter_turns))
        return Frame(time, picture)

    def _due(self, time: float) -> bool:
        if math.isinf(self._rate):
            return True
        # Some containers round their time stamps to milliseconds.
        slot = math.floor((time + 0.001) * self._rate)
        if slot <= self._slot:
            return False
        self._slot = slot
        return True


def upright_size(frame: Any, longest_side: int) -> tuple[int, int]:
    """Width and height in square pixels after rotation, within ``longest_side``."""
    width, height = float(frame.width), float(frame.height)
    aspect = getattr(frame, "sample_aspect_ratio", None)
    if aspect and 0.1 < aspect < 10:
        width *= float(aspect)
    if round(frame.rotation / 90) % 2:
        width, height = height, width
    scale = min(1.0, longest_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
