"""Cuts the stream of observations into segments.

A boundary falls at a scene change, in a pause of speech, where a segment would grow too long,
and on both sides of a long gap. A segment is *sealed* only once every utterance that began in it
has been spoken to its end, so no sentence is cut in two; until then, later observations wait for
the next segment.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from memory.segment import Gap, Observation, SceneChange, Segment
from models.media import Frame, jpeg

THUMBNAIL_WIDTH = 320
SETTLE = 0.6
"""Seconds after a boundary before it is trusted: voice activity is noticed that late."""

YIELD = 2.0
"""Seconds for which a pause waits whether a scene change follows, which is the better boundary:
speakers pause before a cut, and the moment between would make a segment of nothing."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A closed segment, with the sampled pictures of its stretch."""

    segment: Segment
    pictures: tuple[Frame, ...]


@dataclass(slots=True)
class Segmenter:
    """Call :meth:`add` in stream order; it returns the segments that were sealed.

    Attributes:
        start: stream time at which the first segment begins; that of the first call of
            :meth:`add` by default.
        longest: seconds after which a segment is closed in any case.
        shortest: seconds a segment must have before a pause may close it.
        shortest_scene: the same for a scene change.
        pause: seconds of silence after speech that count as a pause.
    """

    start: float | None = None
    longest: float = 10.0
    shortest: float = 3.0
    shortest_scene: float = 1.0
    pause: float = 0.7
    source: str = ""
    next_index: int = 0
    _boundaries: deque[tuple[float, str]] = field(default_factory=deque)
    _observations: list[Observation] = field(default_factory=list)
    _pictures: list[tuple[Frame, NDArray[np.float16] | None]] = field(default_factory=list)

    def add(
        self,
        now: float,
        observations: tuple[Observation, ...] = (),
        frame: Frame | None = None,
        features: NDArray[np.float16] | None = None,
        speaking_since: float | None = None,
        silent_since: float | None = None,
    ) -> list[Sealed]:
        """Take what became known at stream time ``now`` (seconds).

        Args:
            frame, features: the sampled picture and its features ``(H, W, D)``, if any.
            speaking_since: when the speech still going on began, or None in silence.
            silent_since: when the last speech ended, or None if none has been heard or
                somebody is speaking.
        """
        if self.start is None:
            self.start = now
        self._observations.extend(observations)
        if frame is not None:
            self._pictures.append((frame, features))
        self._mark(now, observations, silent_since)
        sealed = []
        while self._boundaries:
            boundary, reason = self._boundaries[0]
            settled = now >= boundary + (YIELD if reason == "pause" else SETTLE)
            if not settled or (speaking_since is not None and speaking_since < boundary):
                break
            self._boundaries.popleft()
            sealed.append(self._seal(boundary, reason))
        return sealed

    def finish(self, now: float) -> list[Sealed]:
        """Seal everything: the stream has ended at ``now``."""
        sealed = [self._seal(boundary, reason) for boundary, reason in self._boundaries]
        self._boundaries.clear()
        if self.start is not None and (now > self.start or self._observations or self._pictures):
            sealed.append(self._seal(now, "end"))
        return sealed

    def open_segment(self, now: float) -> Sealed | None:
        """What is known of the stretch not yet sealed, as if it ended at ``now``."""
        if self.start is None:
            return None
        return self._build(self.start, now, "open", self._observations, self._pictures)

    def _mark(
        self, now: float, observations: tuple[Observation, ...], silent_since: float | None
    ) -> None:
        assert self.start is not None
        last = self._boundaries[-1][0] if self._boundaries else self.start
        for seen in observations:
            if isinstance(seen, Gap) and seen.end - max(seen.start, last) >= self.longest:
                # Nothing came meanwhile: however long, it is one segment.
                if seen.start > last:
                    self._boundaries.append((seen.start, "gap"))
                last = seen.end
                self._boundaries.append((last, "gap"))
            if not isinstance(seen, SceneChange):
                continue
            just_paused = bool(self._boundaries) and self._boundaries[-1] == (last, "pause")
            if just_paused and seen.time - last < YIELD:
                self._boundaries.pop()
                last = self._boundaries[-1][0] if self._boundaries else self.start
            if seen.time - last >= self.shortest_scene:
                self._boundaries.append((seen.time, "scene"))
                last = seen.time
        paused = silent_since is not None and silent_since > last
        if paused and silent_since is not None:
            boundary = silent_since + self.pause / 2
            if now - silent_since >= self.pause and boundary - last >= self.shortest:
                self._boundaries.append((boundary, "pause"))
                last = boundary
        while now - last >= self.longest:
            last += self.longest
            self._boundaries.append((last, "length"))

    def _seal(self, end: float, reason: str) -> Sealed:
        assert self.start is not None
        mine = [o for o in self._observations if o.time < end or reason == "end"]
        pictures = [p for p in self._pictures if p[0].time < end or reason == "end"]
        sealed = self._build(self.start, end, reason, mine, pictures)
        # An observation or picture is never lost: what is not this segment's is the next one's.
        taken = {id(o) for o in mine}
        self._observations = [o for o in self._observations if id(o) not in taken]
        self._pictures = self._pictures[len(pictures) :]
        self.start = end
        self.next_index += 1
        return sealed

    def _build(
        self,
        start: float,
        end: float,
        reason: str,
        observations: list[Observation],
        pictures: list[tuple[Frame, NDArray[np.float16] | None]],
    ) -> Sealed:
        featured = [(frame.time, grid) for frame, grid in pictures if grid is not None]
        segment = Segment(
            index=self.next_index,
            start=start,
            end=end,
            observations=tuple(sorted(observations, key=lambda o: (o.known_at, o.time))),
            closed_by=reason,
            thumbnail=thumbnail(pictures[len(pictures) // 2][0].image) if pictures else b"",
            features=np.stack([grid for _, grid in featured]) if featured else None,
            feature_times=tuple(time for time, _ in featured),
            source=self.source,
        )
        return Sealed(segment, tuple(frame for frame, _ in pictures))


def thumbnail(image: NDArray[np.uint8]) -> bytes:
    """A JPEG of an RGB picture, at most :data:`THUMBNAIL_WIDTH` pixels wide."""
    height, width = image.shape[:2]
    scale = min(1.0, THUMBNAIL_WIDTH / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return jpeg(np.asarray(small, dtype=np.uint8))
