"""The media types that flow from a source to the models.

Every time is *stream time*: seconds on the source's own clock (its presentation
time stamps), as a float. Nothing here knows about wall-clock time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
"""Samples per second of every :class:`AudioChunk`."""


class Picture(Protocol):
    """A picture as it was decoded, for those of a :class:`Frame` that nobody may ever look at.
    Both may be called from any thread."""

    def rgb(self) -> NDArray[np.uint8]:
        """What :attr:`Frame.image` gives; made once."""

    def gray(self, width: int, height: int) -> NDArray[np.uint8]:
        """What :meth:`Frame.gray` gives."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One upright picture of the stream.

    Attributes:
        time: stream time in seconds.
        pixels: RGB, ``uint8``, shape ``(height, width, 3)``, or what becomes that once it is
            asked for: use :attr:`image`.
    """

    time: float
    pixels: NDArray[np.uint8] | Picture

    @property
    def image(self) -> NDArray[np.uint8]:
        """RGB pixels, ``uint8``, shape ``(height, width, 3)``; the same array each time."""
        return self.pixels if isinstance(self.pixels, np.ndarray) else self.pixels.rgb()

    def gray(self, width: int, height: int) -> NDArray[np.uint8]:
        """The brightness of the whole picture in ``width`` by ``height`` pixels, shape
        ``(height, width)``: black is 0, white 255. Does not make :attr:`image` where it can do
        without."""
        if isinstance(self.pixels, np.ndarray):
            return gray(self.pixels, width, height)
        return self.pixels.gray(width, height)


@dataclass(frozen=True, slots=True, eq=False)
class AudioChunk:
    """A run of mono sound.

    Attributes:
        time: stream time of the first sample, in seconds.
        samples: ``float32`` in [-1, 1] at :data:`SAMPLE_RATE`, shape ``(n,)``.
    """

    time: float
    samples: NDArray[np.float32]

    @property
    def end(self) -> float:
        """Stream time just after the last sample, in seconds."""
        return self.time + len(self.samples) / SAMPLE_RATE

    def split(self, time: float) -> tuple[AudioChunk, AudioChunk]:
        """What comes before stream ``time``, and the rest; either may be empty."""
        count = min(max(0, int((time - self.time) * SAMPLE_RATE + 1e-6)), len(self.samples))
        rest = AudioChunk(self.time + count / SAMPLE_RATE, self.samples[count:])
        return AudioChunk(self.time, self.samples[:count]), rest


@dataclass(frozen=True, slots=True)
class GazeSample:
    """One point of regard.

    Attributes:
        time: stream time in seconds.
        x: horizontal position in the image, normalised: 0 is left, 1 is right.
        y: vertical position in the image, normalised: 0 is top, 1 is bottom.
            Values outside [0, 1] are a gaze outside the picture; NaN is a lost eye.
        confidence: the tracker's own, in [0, 1].
    """

    time: float
    x: float
    y: float
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Break:
    """A stretch for which the source was away, told when it is over.

    Attributes:
        time: stream time at which it went away, in seconds.
        end: stream time at which this was noticed, or at which it came back.
        reason: in words, for people.
    """

    time: float
    end: float
    reason: str


Media = Frame | AudioChunk | GazeSample | Break


def moved(media: Media, by: float) -> Media:
    """``media`` with its times put ``by`` seconds later."""
    if not by:
        return media
    if isinstance(media, Break):
        return replace(media, time=media.time + by, end=media.end + by)
    return replace(media, time=media.time + by)


def within(image: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """A picture ``(H, W, 3)`` made smaller where a side is longer than ``longest`` pixels."""
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def gray(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The brightness ``(height, width)`` of an RGB picture ``(H, W, 3)``."""
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def jpeg(image: NDArray[np.uint8], quality: int = 95) -> bytes:
    """An RGB picture ``(H, W, 3)`` as a JPEG; empty where it cannot be one."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(data) if done else b""
