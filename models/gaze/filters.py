"""Cleans a tracker's samples one at a time: noise, short losses, blinks.

Everything here is incremental and depends on the samples alone, never on when they arrive.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from statistics import median

from models.media import GazeSample

MAX_GAP = 0.075
"""Longest loss that is bridged, in seconds: shorter than a blink (Olsen, The Tobii I-VT
Fixation Filter, 2012)."""

MAX_BLINK = 0.5
"""Longest loss that is called a blink, in seconds; beyond it the tracker has lost the eye."""

NOISE_SPACING = 0.020
"""Samples further apart than this, in seconds, are not smoothed: the eye moves between them."""


@dataclass(frozen=True, slots=True)
class Loss:
    """The eye was not tracked between the good samples at ``start`` and ``end``."""

    start: float
    end: float

    @property
    def is_blink(self) -> bool:
        """True where the loss is as long as a blink; it may also be a lost tracker."""
        return self.end - self.start <= MAX_BLINK


def is_valid(sample: GazeSample, min_confidence: float) -> bool:
    """Whether the sample is a tracked eye; it may still look outside the picture."""
    return (
        math.isfinite(sample.x) and math.isfinite(sample.y) and sample.confidence >= min_confidence
    )


class GapFiller:
    """Bridges short losses by a straight line, and reports the long ones.

    A loss is a run of invalid samples, or of none at all where a tracker leaves them out.

    Args:
        max_gap: longest loss that is bridged, in seconds.
        min_confidence: samples below it count as lost.
    """

    def __init__(self, max_gap: float = MAX_GAP, min_confidence: float = 0.5) -> None:
        self._max_gap = max_gap
        self._min_confidence = min_confidence
        self._last: GazeSample | None = None
        self._lost: list[GazeSample] = []

    @property
    def is_lost(self) -> bool:
        """Whether the newest sample was an untracked eye."""
        return bool(self._lost)

    def push(self, sample: GazeSample) -> list[GazeSample | Loss]:
        """The samples that are now settled, all valid; a long loss comes between them."""
        last = self._last
        if not is_valid(sample, self._min_confidence):
            # Past the longest gap nothing held back will be needed.
            if last is not None and sample.time - last.time <= self._max_gap:
                self._lost.append(sample)
            elif not self._lost:
                self._lost = [sample]
            return []
        held, self._lost, self._last = self._lost, [], sample
        if last is None:
            return [sample]
        span = sample.time - last.time
        if span > self._max_gap:
            return [Loss(last.time, sample.time), sample]
        bridged: list[GazeSample | Loss] = []
        for lost in held:
            share = (lost.time - last.time) / span
            bridged.append(
                replace(
                    lost,
                    x=last.x + share * (sample.x - last.x),
                    y=last.y + share * (sample.y - last.y),
                )
            )
        return [*bridged, sample]


class NoiseFilter:
    """Median of three neighbouring samples, per axis (Olsen 2012): removes single spikes and
    keeps the edges of saccades. It is one sample behind, except where samples are so far
    apart (:data:`NOISE_SPACING`) that smoothing would cost more than noise does.
    """

    def __init__(self) -> None:
        self._window: deque[GazeSample] = deque(maxlen=3)

    def push(self, sample: GazeSample) -> list[GazeSample]:
        """Samples that are now final, in order."""
        window = self._window
        if window and sample.time - window[-1].time > NOISE_SPACING:
            return [*self.flush(), *self._sparse(sample)]
        window.append(sample)
        if len(window) == 1:
            return []
        if len(window) == 2:
            return [window[0]]
        return [
            replace(
                window[1],
                x=median(s.x for s in window),
                y=median(s.y for s in window),
            )
        ]

    def _sparse(self, sample: GazeSample) -> list[GazeSample]:
        return [sample]

    def flush(self) -> list[GazeSample]:
        """What is held back; the next sample starts afresh."""
        held = [self._window[-1]] if self._window else []
        self._window.clear()
        return held
