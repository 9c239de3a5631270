"""The pointer as gaze: look with your mouse."""

from __future__ import annotations

import math
import threading
from collections import deque
from types import TracebackType
from typing import Self

from models.media import GazeSample
from pipeline.sources.gaze.merged import Clock

RATE = 50.0
"""Samples a second that are made from the pointer's events."""

AWAY = 1.0
"""Seconds without an event after which the pointer is taken to have left."""

HELD = 4096


class PointerGaze:
    """Takes the pointer's events over the video and gives samples at a steady rate.

    A pointer that rests sends no events of its own: whoever feeds this repeats the last one
    a few times a second while the video plays, and sends NaN when the pointer leaves (or,
    where looking means holding the button, when it is let go). Safe to use from any thread.
    """

    def __init__(self) -> None:
        self._events: deque[GazeSample] = deque(maxlen=HELD)
        self._lock = threading.Lock()
        self._at: GazeSample | None = None
        self._tick = -math.inf

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def push(self, time: float, x: float, y: float) -> None:
        """The pointer is at ``x, y`` (normalised) when the video shows stream ``time``.

        An event before the last one (the video was wound back) is ignored.
        """
        with self._lock:
            if not self._events or time >= self._events[-1].time:
                self._events.append(GazeSample(time, x, y))

    def take(self, place: Clock) -> list[GazeSample]:
        """Samples up to the newest event; the stream's clock is in the events already."""
        with self._lock:
            events = [e for e in self._events if self._at is None or e.time > self._at.time]
            self._events = deque(self._events and [self._events[-1]], maxlen=HELD)
        samples = []
        for event in events:
            at = self._at
            if at is None or event.time - at.time > AWAY:
                self._tick = event.time
                if at is not None:
                    samples.append(GazeSample(event.time - 0.5 / RATE, math.nan, math.nan, 0.0))
            else:
                while self._tick < event.time:
                    samples.append(GazeSample(self._tick, at.x, at.y))
                    self._tick += 1 / RATE
            self._at = event
        return samples
