"""Pictures, sound and text as a server takes them, made once and never changed after."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import wave
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.media import SAMPLE_RATE, jpeg, within

FAST = (180, 320)
"""Height and width of a picture that stays in the context, for one of 16:9: some 70 tokens of
a model that makes one token of 28 x 28 pixels."""

CLOSE = 768
"""Longest side in pixels of a picture brought in for a question."""

QUALITY = 80
"""Of a JPEG."""

_SPECIAL = re.compile(r"<([|｜]?/?[\w▁:.-]{1,40}[|｜]?)>|\[(/?[A-Z_]{2,20})\]")


@dataclass(frozen=True, slots=True)
class Medium:
    """A picture or a sound.

    Attributes:
        kind: ``"image"`` or ``"sound"``.
        data: base64 of a JPEG, or of a WAV.
        size: its pixels, or its seconds.
        id: says the same of the same content, always.
    """

    kind: str
    data: str
    size: float
    id: str

    def part(self, ids: bool) -> dict[str, Any]:
        """As a part of a message's content; with its id for a server that takes ids."""
        if self.kind == "image":
            url = f"data:image/jpeg;base64,{self.data}"
            made: dict[str, Any] = {"type": "image_url", "image_url": {"url": url}}
        else:
            made = {"type": "input_audio", "input_audio": {"data": self.data, "format": "wav"}}
        return {**made, "uuid": self.id} if ids else made


def picture(image: NDArray[np.uint8], longest: int) -> Medium:
    """An RGB picture ``(H, W, 3)``, made smaller where a side is longer than ``longest``."""
    small = within(image, longest)
    height, width = small.shape[:2]
    data = jpeg(small, QUALITY)
    if not data:
        raise ValueError(f"a picture of {width}x{height} pixels cannot be written as JPEG")
    return _medium("image", data, float(height * width))


def sound(samples: NDArray[np.float32]) -> Medium:
    """Mono sound at 16 kHz, in [-1, 1]."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return _medium("sound", file.getvalue(), len(samples) / SAMPLE_RATE)


def _medium(kind: str, data: bytes, size: float) -> Medium:
    return Medium(
        kind, base64.b64encode(data).decode(), size, hashlib.sha256(data).hexdigest()[:32]
    )


def plain(text: str) -> str:
    """``text`` without what a chat template might take for a mark of its own: the stream may
    show or say anything, and only the template may end a turn."""
    return _SPECIAL.sub(lambda m: f"({(m[1] or m[2]).strip('|｜')})", text)
