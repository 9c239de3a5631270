"""Decoded pictures to upright frames, at no more than the rate that is wanted."""

from __future__ import annotations

import functools
import math
import threading
from typing import Any

import cv2
import numpy as np
from av.video.reformatter import ColorRange, VideoReformatter
from numpy.typing import NDArray

from models.media import Frame, gray

MOST_HELD = 1.25
"""Memory of a decoded picture, in that of its RGB, up to which it waits as it is. A larger one
(a picture that is scaled down) becomes RGB at once."""

_LUMA_BITS = {
    **dict.fromkeys(("yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuv410p"), 8),
    **dict.fromkeys(("yuvj420p", "yuvj422p", "yuvj444p", "yuvj440p", "yuvj411p"), 8),
    **dict.fromkeys(("yuva420p", "nv12", "nv21", "gray"), 8),
    **dict.fromkeys(("yuv420p10le", "yuv422p10le", "yuv444p10le"), 10),
    "p010le": 16,
}
"""Of pixel formats whose first plane is brightness, the bits of a value as it is stored."""

_FROM_LIMITED = np.clip((np.arange(256) - 16) * (255 / 219), 0, 255).round().astype(np.uint8)
"""Brightness from 16 (black) to 235 (white), as most video has it, to 0 to 255."""

_LINES = 2
"""Lines of a large picture that stand for one of its brightness."""


class VideoConverter:
    """Picks candidate frames; of these, those that are looked at become RGB.

    Args:
        rate: most frames a second to give; ``math.inf`` for every frame.
        longest_side: larger pictures are scaled down to this many pixels.
        aspect: width of a pixel in its heights.
    """

    def __init__(self, rate: float, longest_side: int, aspect: float = 1.0) -> None:
        if not rate > 0:
            raise ValueError(f"rate must be above 0 frames a second, not {rate}")
        self._rate = rate
        self._longest_side = longest_side
        self._aspect = aspect
        self._slot = -1
        self._last = -math.inf
        self._kind: tuple[str, int, int, int] | None = None
        self._size = (0, 0)
        self._waits = False
        self._scaler = _Scaler()

    def convert(self, frame: Any, time: float) -> Frame | None:
        """``frame`` upright, or None where it is not a candidate or is out of order.

        Raises:
            av.FFmpegError, ValueError: pictures of this kind cannot become RGB.
        """
        if time <= self._last or not self._due(time):
            return None
        self._last = time
        kind = (frame.format.name, frame.width, frame.height, round(frame.rotation / 90) % 4)
        if kind != self._kind:
            self._kind = kind
            self._size = upright_size(frame, self._longest_side, self._aspect)
            held = sum(plane.buffer_size for plane in frame.planes)
            self._waits = held <= MOST_HELD * 3 * self._size[0] * self._size[1]
            if self._waits:
                # What cannot become RGB is told here, and not where the picture is looked at.
                _Decoded(frame, self._size, kind[3], self._scaler).rgb()
        picture = _Decoded(frame, self._size, kind[3], self._scaler)
        return Frame(time, picture if self._waits else picture.rgb())

    def _due(self, time: float) -> bool:
        if math.isinf(self._rate):
            return True
        # Some containers round their time stamps to milliseconds.
        slot = math.floor((time + 0.001) * self._rate)
        if slot <= self._slot:
            return False
        self._slot = slot
        return True


class _Decoded:
    """A :class:`models.media.Picture` of PyAV's.

    Args:
        frame: nobody else may change it.
        size: width and height of the upright picture.
        quarter_turns: counterclockwise, that make it upright.
        scaler: shared by the pictures of a stream.
    """

    __slots__ = ("_frame", "_image", "_lock", "_quarter_turns", "_scaler", "_size")

    def __init__(
        self, frame: Any, size: tuple[int, int], quarter_turns: int, scaler: _Scaler
    ) -> None:
        self._frame: Any = frame
        self._size = size
        self._quarter_turns = quarter_turns
        self._scaler = scaler
        self._image: NDArray[np.uint8] | None = None
        self._lock = threading.Lock()

    def rgb(self) -> NDArray[np.uint8]:
        with self._lock:
            if self._image is None:
                turns = self._quarter_turns
                width, height = self._size[::-1] if turns % 2 else self._size
                image = self._scaler.rgb(self._frame, width, height)
                self._image = np.ascontiguousarray(np.rot90(image, turns)) if turns else image
                self._frame = None
            return self._image

    def gray(self, width: int, height: int) -> NDArray[np.uint8]:
        frame = self._frame
        turns = self._quarter_turns
        size = (height, width) if turns % 2 else (width, height)
        small = None if frame is None else _brightness(frame, *size)
        if small is None:
            return gray(self.rgb(), width, height)
        return np.rot90(small, turns) if turns else small


class _Scaler:
    """Makes RGB of pictures with one scaler for all, which is made anew when they change.
    Safe from any thread: one at a time."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._lock = threading.Lock()

    def rgb(self, frame: Any, width: int, height: int) -> NDArray[np.uint8]:
        with self._lock:
            # One thread: starting more costs more than a picture of video is worth.
            made = self._reformatter.reformat(frame, width, height, "rgb24", threads=1)
        plane = made.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
        return np.ascontiguousarray(rows[:, : 3 * width]).reshape(height, width, 3)


def _brightness(frame: Any, width: int, height: int) -> NDArray[np.uint8] | None:
    """That of a decoded picture, not turned, ``(height, width)``; None where only RGB tells.

    Of large pictures it is the mean of some lines alone: a tenth of the work, and what the sampler
    scores changes by less than 0.01, where 0.1 is a cut.
    """
    name = frame.format.name
    bits = _LUMA_BITS.get(name)
    if bits is None:
        return None
    plane = frame.planes[0]
    if plane.line_size <= 0:
        return None
    values = np.frombuffer(memoryview(plane), np.uint8 if bits == 8 else np.dtype("<u2"))
    luma = values.reshape(frame.height, -1)
    step, rest = divmod(frame.height, _LINES * height)
    if step and not rest:
        luma = luma[step // 2 :: step]
    elif step:
        luma = luma.take(_lines(frame.height, _LINES * height), axis=0)
    luma = luma[:, : frame.width]
    while luma.shape[0] >= 2 * height and luma.shape[1] >= 2 * width:
        high, wide = luma.shape[0] // 2, luma.shape[1] // 2
        # Halving is what OpenCV does fastest by far.
        luma = cv2.resize(luma[: 2 * high, : 2 * wide], (wide, high), interpolation=cv2.INTER_AREA)
    luma = cv2.resize(luma, (width, height), interpolation=cv2.INTER_AREA)
    small = (luma >> bits - 8).astype(np.uint8) if bits > 8 else luma
    full = name.startswith(("yuvj", "gray")) or frame.color_range == ColorRange.JPEG
    return np.asarray(small if full else cv2.LUT(small, _FROM_LIMITED), dtype=np.uint8)


@functools.lru_cache(maxsize=8)
def _lines(height: int, count: int) -> NDArray[np.intp]:
    """``count`` lines evenly over ``height``."""
    return np.asarray((np.arange(count) + 0.5) * height / count, dtype=np.intp)


def upright_size(
    frame: Any, longest_side: float = math.inf, aspect: float = 1.0
) -> tuple[int, int]:
    """Width and height in square pixels after rotation, within ``longest_side``; ``aspect`` is
    the width of a pixel in its heights."""
    width, height = float(frame.width), float(frame.height)
    if 0.1 < aspect < 10:
        width *= aspect
    if round(frame.rotation / 90) % 2:
        width, height = height, width
    scale = min(1.0, longest_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
