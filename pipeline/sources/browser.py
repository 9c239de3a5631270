"""Pictures and sound that a browser captures and sends: a camera and a microphone far away.

The browser stamps everything with the time of its capture, so that picture and sound line up
however long each was on its way. Whoever receives them hands them to :class:`BrowserSource`,
from any thread.
"""

from __future__ import annotations

import io
import math
import threading
import time as clock
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.media import AudioChunk, Break, Frame
from pipeline.sources.audio import AudioConverter
from pipeline.sources.source import Properties, SourceError

LATENESS = 0.5
"""Seconds of stream time that one kind is held back for the other."""

AWAY = 3.0
"""Seconds without picture and sound after which the camera was away: a break."""

AHEAD = 30.0
"""Seconds a time stamp may lie ahead of the time that has really passed."""

HELD = 256
"""Pieces held before the oldest picture is dropped."""

LARGEST = 4096
"""Most pixels a picture may measure on its longer side."""

POLL = 0.1


class BrowserSource:
    """A live source that is fed: :meth:`take_picture` and :meth:`take_sound`.

    What comes after it has ended is left out.

    Args:
        name: for people.
        start: stream time, in seconds, at which the capture begins or is resumed.
        longest_side: larger pictures are scaled down to this many pixels.

    Attributes:
        reached: stream time, in seconds, up to which something has come.
        dropped: pictures that came too late, and pieces that were too many.
    """

    def __init__(
        self, name: str = "camera", *, start: float = 0.0, longest_side: int = 1280
    ) -> None:
        self._name = name
        self._start = start
        self._longest_side = longest_side
        self._began = clock.monotonic()
        self._changed = threading.Condition()
        self._pictures: deque[Frame] = deque()
        self._sound: deque[AudioChunk] = deque()
        self._converter = AudioConverter()
        self._seen = self._heard = -math.inf  # time up to which each kind has come
        self._given = start
        self._size = (0, 0)
        self._ended = False
        self.reached = start
        self.dropped = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def properties(self) -> Properties:
        width, height = self._size
        return Properties(
            self._name,
            None,
            live=True,
            width=width,
            height=height,
            frame_rate=0.0,
            has_video=True,
            has_audio=True,
            start=self._start,
        )

    @property
    def now(self) -> float:
        """Stream time, in seconds, that has come by the clock on the wall."""
        return self._start + clock.monotonic() - self._began

    def take_picture(self, time: float, data: bytes) -> None:
        """A picture captured at stream ``time`` (seconds): JPEG, PNG or WebP.

        Raises:
            SourceError: the time is impossible, or the data is not a picture.
        """
        self._check(time)
        image = self._decode(data)
        with self._changed:
            if self._ended:
                return
            self._size = (image.shape[1], image.shape[0])
            if time <= self._seen or time < self._given:
                self.dropped += 1
                return
            self._seen = time
            self._pictures.append(Frame(time, image))
            self._arrived(time)

    def take_sound(self, time: float, samples: NDArray[np.int16], rate: int) -> None:
        """Mono sound, ``int16 (n,)`` at ``rate`` Hz, its first sample heard at ``time``.

        Raises:
            SourceError: the time or the rate is impossible.
        """
        if not 4_000 <= rate <= 192_000:
            raise SourceError(f"sound at {rate} samples a second cannot be used")
        end = time + len(samples) / rate
        self._check(end)
        if not len(samples):
            return
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = rate
        with self._changed:
            if self._ended:
                return
            for chunk in self._converter.convert(frame, time):
                self._sound.append(chunk)
            held = self._converter.begins
            self._heard = end if held is None else held
            self._arrived(end)

    def end(self) -> None:
        """The capture is over: what is held is given, then iteration ends."""
        with self._changed:
            self._sound.extend(self._converter.flush())
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._ended = True
            self._pictures.clear()
            self._sound.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Frame | AudioChunk | Break]:
        given = self._start or math.inf  # up to where something came
        while True:
            with self._changed:
                while (media := self._next()) is None:
                    if self._ended:
                        return
                    self._changed.wait(POLL)
                self._given = max(self._given, media.time)
            if media.time - given > AWAY:
                yield Break(given, media.time, "the camera was away")
            end = media.end if isinstance(media, AudioChunk) else media.time
            given = end if math.isinf(given) else max(given, end)
            yield media

    def _next(self) -> Frame | AudioChunk | None:
        """The earliest piece held, once nothing still to come can precede it."""
        waiting: list[deque[Frame] | deque[AudioChunk]] = [
            queue for queue in (self._pictures, self._sound) if queue
        ]
        if not waiting:
            return None
        first = min(waiting, key=lambda queue: queue[0].time)
        limit = max(min(self._seen, self._heard), self.reached - LATENESS)
        if self._ended or first[0].time <= limit:
            return first.popleft()
        return None

    def _arrived(self, time: float) -> None:
        self.reached = max(self.reached, time)
        while len(self._pictures) + len(self._sound) > HELD:
            self.dropped += 1
            (self._pictures or self._sound).popleft()
        self._changed.notify_all()

    def _check(self, time: float) -> None:
        if not math.isfinite(time) or time < 0 or time > self.now + AHEAD:
            raise SourceError(
                f"a capture time of {time:.1f} s is impossible at {self.now:.1f} s: reload the page"
            )

    def _decode(self, data: bytes) -> NDArray[np.uint8]:
        try:
            with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as picture:
                if max(picture.size) > LARGEST:  # known before anything is decoded
                    size = "x".join(map(str, picture.size))
                    raise SourceError(f"a picture of {size} is too large: send at most {LARGEST}")
                upright = picture.convert("RGB")
        except (OSError, ValueError, SyntaxError) as error:
            raise SourceError(
                "what was sent as a picture is not one (JPEG, PNG or WebP)"
            ) from error
        upright.thumbnail((self._longest_side, self._longest_side))
        return np.asarray(upright, dtype=np.uint8)
