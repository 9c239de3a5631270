"""What a page captures, as it is sent: pictures and sound with the times of their capture.

One body holds any number of pieces. Each is a header of 21 bytes, little-endian (kind ``u8``:
1 a picture, 2 sound; capture time ``f64`` in stream seconds; sample rate ``u32``; sequence
number ``u32``; length ``u32``), then that many bytes: a JPEG, PNG or WebP, or mono ``int16``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.sources.browser import BrowserSource
from pipeline.sources.source import SourceError

HEADER = struct.Struct("<BdIII")
PICTURE, SOUND = 1, 2


@dataclass(frozen=True, slots=True)
class Piece:
    """One picture or stretch of sound; ``rate`` is that of sound."""

    kind: int
    time: float
    rate: int
    number: int
    data: bytes

    def give(self, camera: BrowserSource) -> None:
        """Hand it to ``camera``. Raises SourceError where it is not what it says."""
        if self.kind == PICTURE:
            camera.take_picture(self.time, self.data)
        elif self.kind == SOUND:
            camera.take_sound(self.time, samples(self.data), self.rate)
        else:
            raise SourceError(f"a piece of kind {self.kind} is neither picture nor sound")


def pieces(body: bytes) -> Iterator[Piece]:
    """The pieces of a body. Raises SourceError where it is cut short."""
    place = 0
    while place < len(body):
        if place + HEADER.size > len(body):
            raise SourceError("what was sent ends within a header")
        kind, time, rate, number, length = HEADER.unpack_from(body, place)
        place += HEADER.size
        if place + length > len(body):
            raise SourceError("what was sent is shorter than it says")
        yield Piece(kind, time, rate, number, body[place : place + length])
        place += length


def samples(data: bytes) -> NDArray[np.int16]:
    """Mono ``int16`` samples from little-endian bytes."""
    return np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)


def at_16_khz(sound: NDArray[np.int16], rate: int) -> NDArray[np.float32]:
    """``sound`` (mono, ``rate`` Hz) as ``float32`` at 16 kHz. Raises SourceError."""
    camera = BrowserSource()
    camera.take_sound(0.0, sound, rate)
    camera.end()
    parts = [media.samples for media in camera if hasattr(media, "samples")]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
