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

    Attributes:
        key_frames: they alone are decoded.
    """

    def __init__(self, stream: Any, rate: float, origin: float) -> None:
        self._rate = rate
        self._origin = origin
        self._base = float(stream.time_base or 0)
        self._slot = -math.inf
        self.key_frames = self._close_enough(stream)
        if self.key_frames:
            # Threads by frame would hold back as many pictures as there are threads.
            stream.thread_type = "SLICE"
        elif rate <= SPARSE:
            stream.codec_context.skip_frame = "NONREF"

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

    def _close_enough(self, stream: Any) -> bool:
        """By the index that the container brings; without one, nobody knows."""
        entries = list(stream.index_entries)
        if not entries or not self._base or math.isinf(self._rate):
            return False
        if self._rate > SPARSE:
            return len(entries) > 1 and all(entry.is_keyframe for entry in entries)
        if stream.duration:
            lasts = stream.duration * self._base
        else:
            lasts = (stream.container.duration or math.inf) / 1_000_000
        times = [entry.timestamp * self._base for entry in entries if entry.is_keyframe]
        end = entries[0].timestamp * self._base + lasts
        most = min(1 / self._rate, LATEST) + 0.001
        return bool(times) and all(b - a <= most for a, b in pairwise([*times, end]))
