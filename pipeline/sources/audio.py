"""Decoded sound to 16 kHz mono chunks with true times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from models.media import SAMPLE_RATE, AudioChunk

SLACK = 0.05
"""Seconds by which time stamps may disagree with the sample count before it is a gap."""


class AudioConverter:
    """Resamples decoded audio frames (libswresample) and cuts them into chunks.

    A gap in the time stamps stays a gap between chunks; where stamps overlap what has
    been given already, the repeated samples are dropped. Chunks never overlap.

    Args:
        length: seconds of sound in a chunk.
    """

    def __init__(self, length: float = 0.2) -> None:
        self._chunk = round(length * SAMPLE_RATE)
        self._resampler: Any = None
        self._layout: tuple[object, ...] = ()
        self._parts: list[NDArray[np.float32]] = []
        self._held = 0
        self._time = 0.0  # of the first held sample
        self._expected = 0.0  # time at which the next input frame should begin
        self._skip = 0  # output samples still to drop because they were given already

    @property
    def begins(self) -> float | None:
        """Stream time of the first sample not yet given, or None where none is held."""
        return self._time if self._resampler is not None else None

    def convert(self, frame: Any, time: float) -> Iterator[AudioChunk]:
        """Chunks made whole by ``frame``, whose first sample is at stream ``time`` seconds."""
        layout = (frame.format.name, frame.layout.name, frame.sample_rate)
        if layout != self._layout or abs(time - self._expected) > SLACK:
            yield from self.flush()
            self._begin(time, layout)
        self._expected += frame.samples / frame.sample_rate
        frame.pts = None
        self._hold(self._resampler.resample(frame))
        while self._held >= self._chunk:
            yield self._cut(self._chunk)

    def flush(self) -> Iterator[AudioChunk]:
        """What is still held, as one last chunk."""
        if self._resampler is not None:
            self._hold(self._resampler.resample(None))
            self._resampler = None
        if self._held:
            yield self._cut(self._held)

    def _begin(self, time: float, layout: tuple[object, ...]) -> None:
        end = self._time if self._layout else 0.0
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        self._layout = layout
        self._expected = time
        self._skip = max(0, round((end - time) * SAMPLE_RATE))
        self._time = max(time, end)

    def _hold(self, frames: list[Any]) -> None:
        for frame in frames:
            samples = np.nan_to_num(frame.to_ndarray().reshape(-1))
            dropped = min(self._skip, len(samples))
            self._skip -= dropped
            if dropped < len(samples):
                self._parts.append(np.clip(samples[dropped:], -1.0, 1.0))
                self._held += len(samples) - dropped

    def _cut(self, count: int) -> AudioChunk:
        held = np.concatenate(self._parts)
        samples, rest = held[:count], held[count:]
        self._parts, self._held = [rest], len(rest)
        chunk = AudioChunk(self._time, samples)
        self._time = chunk.end
        return chunk
