"""A recording of gaze on a video's clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.media import GazeSample
from pipeline.sources.source import SourceError


class GazeError(SourceError):
    """Gaze cannot be read: the message names the file, the line or column, and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class GazeTrack:
    """Samples in time order. Iterate it for :class:`GazeSample`.

    Attributes:
        name: of the file or device, for people.
        format: the format that was read: ``"pupil-cloud"``, ``"tobii"``, ...
        times: stream seconds, ``float64 (n,)``, strictly rising.
        points: normalised x and y, ``float64 (n, 2)``; NaN where the eye was lost.
        confidence: in [0, 1], ``float64 (n,)``.
        remarks: what was assumed or left out.
    """

    name: str
    format: str
    times: NDArray[np.float64]
    points: NDArray[np.float64]
    confidence: NDArray[np.float64]
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[GazeSample]:
        for time, (x, y), sure in zip(
            self.times.tolist(), self.points.tolist(), self.confidence.tolist(), strict=True
        ):
            yield GazeSample(time, x, y, sure)

    @property
    def rate(self) -> float:
        """Samples a second, by the median of their spacing; 0 for fewer than two."""
        return float(1 / np.median(np.diff(self.times))) if len(self) > 1 else 0.0

    def between(self, start: float, end: float) -> GazeTrack:
        """The samples from ``start`` on and before ``end``, in stream seconds."""
        low, high = np.searchsorted(self.times, (start, end))
        return replace(
            self,
            times=self.times[low:high],
            points=self.points[low:high],
            confidence=self.confidence[low:high],
        )
