"""Leaves out of decoding what nobody will look at."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

SPARSE = 1.0
"""Frames a second up to which a frame near the wanted time is as good as that at it."""

LATEST = 1.0
"""Most seconds between two key frames, so that one is near every wanted time."""


class Thinning:
    """Which packets of a video stream to decode where few frames are wanted.

    Where key frames are close enough, they alone are decoded, one in each ``1 / rate`` seconds:
    a frame is then up to that much later than without thinning, and still true to its own time.
    Otherwise, frames that no other refers to are left out by the decoder, and a frame is later
    by the few that stand between two others. Above :data:`SPARSE` frames a second nothing is
    left out, but of a stream that has key frames alone.

    Args:
        stream: a video stream of PyAV, not yet decoded; set to leave out what can be.
        rate: most frames a second that are wanted.
        origin: seconds on the container's clock that are stream time 0.
        skim: decode key frames alone, however far apart they are.

    Attributes:
        key_frames: they alone are decoded.
        apart: most seconds between two key frames, by the index that the container brings;
            None where it brings none.
    """

    def __init__(self, stream: Any, rate: float, origin: float, skim: bool = False) -> None:
        self._rate = rate
        self._origin = origin
        self._base = float(stream.time_base or 0)
        self._slot = -math.inf
        entries = list(stream.index_entries) if skim or math.isfinite(rate) else []
        # Some indexes name key frames alone, and those only that were come by.
        self._complete = not all(entry.is_keyframe for entry in entries)
        self.apart = self._key_frames_apart(stream, entries)
        self.key_frames = skim or self._close_enough(entries)
        if self.key_frames:
            # Threads by frame would hold back as many pictures as there are threads.
            stream.thread_type = "SLICE"
        elif rate <= SPARSE:
            stream.codec_context.skip_frame = "NONREF"

    @property
    def remark(self) -> str:
        """Where key frames alone are decoded: that it is so, for people."""
        looked = f"only key frames are looked at, at most {self._rate:g} a second"
        if self.apart is None or not self._complete:
            return looked
        return f"{looked}; they are up to {self.apart:.1f} s apart"

    def wants(self, packet: Any) -> bool:
        """Whether a packet of the stream is to be decoded; call it for each in turn."""
        if not self.key_frames or not packet.size:
            return True
        time = packet.pts if packet.pts is not None else packet.dts
        if not packet.is_keyframe or time is None:
            return False
        slot = math.floor((time * self._base - self._origin + 0.001) * self._rate)
        if slot == self._slot:
            return False
        self._slot = slot
        return True

    def _close_enough(self, entries: list[Any]) -> bool:
        """By the index; without one, nobody knows."""
        if math.isinf(self._rate):
            return False
        if self._rate > SPARSE:
            return len(entries) > 1 and all(entry.is_keyframe for entry in entries)
        return self.apart is not None and self.apart <= min(1 / self._rate, LATEST) + 0.001

    def _key_frames_apart(self, stream: Any, entries: list[Any]) -> float | None:
        times = [entry.timestamp * self._base for entry in entries if entry.is_keyframe]
        if len(entries) < 2 or not times or not self._base:
            return None
        if stream.duration:
            lasts = stream.duration * self._base
        else:
            lasts = (stream.container.duration or math.inf) / 1_000_000
        end = entries[0].timestamp * self._base + lasts
        return float(max(b - a for a, b in pairwise([*times, end])))
