"""Cleans a tracker's samples one at a time: noise, short losses, blinks.

Everything here is incremental and depends on the samples alone, never on when they arrive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import median

from models.media import GazeSample

MAX_GAP = 0.016
"""Longest loss that is bridged live, in seconds. Olsen (The Tobii I-VT Fixation Filter, 2012)
takes 75 ms, shorter than a blink; with that one could not know within 50 ms that a fixation
has ended."""

SPACINGS = 1.5
"""A sparse tracker's samples are no loss: what is bridged is never less than this many times
the shortest time between two of its samples so far."""

MAX_BLINK = 0.5
"""Longest loss that is called a blink, in seconds; beyond it the tracker has lost the eye."""

NOISE_SPACING = 0.009
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
        self._newest = -math.inf
        self._spacing = math.inf

    def is_lost(self, time: float) -> bool:
        """Whether the eye is lost for too long to be bridged, if no good sample comes before
        stream ``time`` (seconds)."""
        longest = max(self._max_gap, SPACINGS * self._spacing)
        return self._last is not None and time - self._last.time > longest

    def push(self, sample: GazeSample) -> list[GazeSample | Loss]:
        """The samples that are now settled, all valid; a long loss comes between them."""
        lost = self.is_lost(sample.time)
        self._spacing = min(self._spacing, sample.time - self._newest)
        self._newest = sample.time
        if not is_valid(sample, self._min_confidence):
            if not lost:  # past the longest gap nothing is bridged
                self._lost.append(sample)
            return []
        last, self._last = self._last, sample
        held, self._lost = self._lost, []
        if last is None:
            return [sample]
        if lost:
            return [Loss(last.time, sample.time), sample]
        bridged: list[GazeSample | Loss] = []
        for gone in held:
            share = (gone.time - last.time) / (sample.time - last.time)
            x, y = last.x + share * (sample.x - last.x), last.y + share * (sample.y - last.y)
            bridged.append(GazeSample(gone.time, x, y, confidence=0.0))
        return [*bridged, sample]


class NoiseFilter:
    """Median of three neighbouring samples, per axis (Olsen 2012): removes single spikes and
    keeps the edges of saccades. It is one sample behind, except where samples are so far
    apart (:data:`NOISE_SPACING`) that smoothing would cost more than noise does.
    """

    def __init__(self) -> None:
        self._before: GazeSample | None = None
        self._here: GazeSample | None = None
        self._held = False

    def push(self, sample: GazeSample) -> list[GazeSample]:
        """Samples that are now final, in order."""
        before, here, held = self._before, self._here, self._held
        sparse = here is not None and sample.time - here.time > NOISE_SPACING
        self._before = None if sparse else here
        self._here = sample
        self._held = not sparse
        final = []
        if held and here is not None:
            if before is not None and not sparse:
                three = (before, here, sample)
                here = replace(here, x=median(s.x for s in three), y=median(s.y for s in three))
            final.append(here)
        return [*final, sample] if sparse else final

    def flush(self) -> list[GazeSample]:
        """What is held back; the next sample starts afresh."""
        held = [self._here] if self._held and self._here is not None else []
        self._before = self._here = None
        self._held = False
        return held
