"""The guard of causality: a source that ends at the question's time and begins at its window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from models.media import SAMPLE_RATE, AudioChunk, Frame, Media
from pipeline.sources.passing import Passing
from pipeline.sources.source import Properties, Source


class Window(Passing):
    """Yields what ``source`` shows and says in ``[start, end]``, on its own clock.

    Sound is cut to the sample; the last picture is the one at or before ``end``.
    """

    def __init__(
        self,
        source: Source,
        start: float = 0.0,
        end: float | None = None,
    ) -> None:
        super().__init__(source)
        self._start = start
        self._end = float("inf") if end is None else end

    @property
    def properties(self) -> Properties:
        whole = self._source.properties
        if whole.duration is None:
            return whole
        return replace(whole, duration=min(whole.duration, self._end))

    def __iter__(self) -> Iterator[Media]:
        past: set[type[Media]] = set()
        expected: set[type[Media]] = set()
        if self.properties.has_video:
            expected.add(Frame)
        if self.properties.has_audio:
            expected.add(AudioChunk)
        for item in self._source:
            if item.time > self._end:
                # Kinds are in order each by itself: sound may come after a later picture.
                past.add(type(item))
                if expected and past >= expected:
                    return
                continue
            kept = self._cut(item)
            if kept is not None:
                yield kept

    def _cut(self, item: Media) -> Media | None:
        if isinstance(item, AudioChunk):
            first = max(0, round((self._start - item.time) * SAMPLE_RATE))
            last = len(item.samples)
            if item.end > self._end:
                last = int((self._end - item.time) * SAMPLE_RATE)
            if first >= last:
                return None
            return AudioChunk(item.time + first / SAMPLE_RATE, item.samples[first:last])
        if item.time < self._start:
            return None
        return item
