"""Which candidate frames are looked at: a steady floor, and more where the picture changes."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from models.media import Frame

SIZE = (64, 36)
"""Width and height in pixels at which pictures are compared."""


class Sampler:
    """Chooses frames by a budget plus change. Deterministic.

    Takes one frame in every ``1 / fps`` seconds come what may, and further frames where the
    picture differs from the last one taken, as long as the budget of ``burst`` frames a second
    lasts (a token bucket that holds one second's worth).

    Args:
        fps: frames a second that are always taken.
        burst: most frames a second in the long run; at least ``fps``.
        change: mean difference of small luma pictures, in [0, 1], that counts as changed.

    Attributes:
        sparing: take one frame in every ``2 / fps`` seconds and none beyond.
        score: how much the last offered frame looks like a scene cut from the frame offered
            before it, in [0, 1]; about 0.1 and above is a cut. This is the measure of FFmpeg's
            ``select=scene``: the smaller of the mean difference and its own change, so that
            steady motion scores low.
        change_score: plain mean luma difference between the last offered frame and the frame
            before it, in [0, 1].
    """

    def __init__(self, fps: float = 1.0, burst: float = 2.0, *, change: float = 0.03) -> None:
        if not 0 < fps <= burst:
            raise ValueError(f"need 0 < fps <= burst, not fps={fps}, burst={burst}")
        self._fps = fps
        self._extra = burst - fps
        self._change = change
        self.sparing = False
        self._tokens = 0.0
        self._slot: int | None = None
        self._time = -math.inf
        self._previous: NDArray[np.uint8] | None = None
        self._taken: NDArray[np.uint8] | None = None
        self.score = 0.0
        self.change_score = 0.0

    def offer(self, frame: Frame) -> bool:
        """True where ``frame`` should be looked at."""
        luma = frame.gray(*SIZE)
        self._compare(luma)
        capacity = max(1.0, self._extra) if self._extra else 0.0
        if math.isfinite(self._time):
            elapsed = max(0.0, frame.time - self._time)
            self._tokens = min(capacity, self._tokens + elapsed * self._extra)
        self._time = frame.time
        slot = math.floor(frame.time * self._fps / (2 if self.sparing else 1) + 1e-6)
        if slot != self._slot:
            self._slot = slot
        elif (
            not self.sparing
            and self._tokens >= 1
            and self._taken is not None
            and _diff(luma, self._taken) > self._change
        ):
            self._tokens -= 1
        else:
            return False
        self._taken = luma
        return True

    def _compare(self, luma: NDArray[np.uint8]) -> None:
        if self._previous is None:
            self.score = self.change_score = 0.0
        else:
            difference = _diff(luma, self._previous)
            self.score = min(difference, abs(difference - self.change_score))
            self.change_score = difference
        self._previous = luma


def _diff(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return cv2.norm(a, b, cv2.NORM_L1) / (255.0 * a.size)
