"""One monotonic stream clock out of the time stamps a container gives."""

from __future__ import annotations

BACK = 1.0
"""Seconds a time stamp may lie before the last one of its kind and still be mere disorder."""

FORWARD = 600.0
"""Seconds that may be missing from a file; where more is, its time stamps jumped."""


class StreamClock:
    """Maps raw presentation times of several kinds of media onto one clock.

    Time stamps that jump back (a wrap, a restarted encoder, joined files) or far ahead are
    re-based so that the stream goes on where it was; times that are missing go on from the
    last by the duration given. Kinds that jump together get the same offset, so picture and
    sound stay together.

    Args:
        origin: raw time, in seconds, that is stream time 0.
        forward: seconds a time stamp may lie ahead before it counts as a jump rather than a gap.
    """

    def __init__(self, origin: float = 0.0, forward: float = FORWARD) -> None:
        self._offsets: dict[str, float] = {}
        self._ends: dict[str, float] = {}
        self._offset = -origin
        self._forward = forward
        self.jumps = 0

    def place(self, kind: str, raw: float | None, duration: float = 0.0) -> float:
        """Stream time, in seconds, of something of ``kind`` stamped ``raw``."""
        end = self._ends.get(kind)
        offset = self._offsets.setdefault(kind, self._offset)
        if raw is None:
            time = 0.0 if end is None else end
        else:
            time = raw + offset
            if end is not None and not end - BACK <= time <= end + self._forward:
                shared = raw + self._offset
                if not end - BACK <= shared <= end + self._forward:
                    self._offset = max(self._ends.values()) - raw
                    self.jumps += 1
                self._offsets[kind] = self._offset
                time = raw + self._offset
        self._ends[kind] = time + duration if end is None else max(end, time + duration)
        return time
