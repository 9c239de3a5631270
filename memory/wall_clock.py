"""What a clock on the wall showed at a stream time, for a session that knows when it watched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass

DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Anchor:
    """At stream ``time`` it was ``wall`` seconds since 1970, where clocks are ``offset`` seconds
    ahead of UTC."""

    time: float
    wall: float
    offset: float = 0.0

    @property
    def local(self) -> float:
        """Seconds that the clock on the wall counts."""
        return self.wall + self.offset


@dataclass(frozen=True, slots=True)
class WallClock:
    """Each anchor, in the order of stream time, holds until the next.

    Raises:
        ValueError: there is none, or they are out of order.
    """

    anchors: tuple[Anchor, ...]

    def __post_init__(self) -> None:
        times = [anchor.time for anchor in self.anchors]
        if not times or times != sorted(times):
            raise ValueError("a wall clock needs anchors in the order of stream time")

    def local(self, time: float) -> float:
        """What the clock showed at stream ``time``: seconds since 1970 in local time."""
        anchor = next((a for a in reversed(self.anchors) if a.time <= time), self.anchors[0])
        return anchor.local + time - anchor.time

    def wall(self, time: float) -> float:
        """Seconds since 1970, UTC, at stream ``time``."""
        anchor = next((a for a in reversed(self.anchors) if a.time <= time), self.anchors[0])
        return anchor.wall + time - anchor.time

    def times(self, of_day: float, start: float, until: float) -> list[float]:
        """Stream times in ``[start, until]`` at which the clock showed ``of_day``, in seconds
        since midnight, earliest first."""
        found = []
        for anchor, low, high in self._stretches(start, until):
            first = anchor.time + (of_day - anchor.local) % DAY
            first += -((first - low) // DAY) * DAY
            while first <= high:
                found.append(first)
                first += DAY
        return found

    def _stretches(self, start: float, until: float) -> Iterator[tuple[Anchor, float, float]]:
        """Each anchor with the stream times, of those wanted, for which it holds."""
        for place, anchor in enumerate(self.anchors):
            last = place + 1 == len(self.anchors)
            low = start if place == 0 else max(start, anchor.time)
            high = until if last else min(until, self.anchors[place + 1].time)
            if low <= high:
                yield anchor, low, high


def to_text(anchors: Sequence[Anchor]) -> str:
    """As it is kept in a session."""
    return json.dumps([astuple(anchor) for anchor in anchors])


def from_text(text: str) -> tuple[Anchor, ...]:
    """Raises ValueError where ``text`` is not what :func:`to_text` gives."""
    try:
        return tuple(Anchor(*map(float, numbers)) for numbers in json.loads(text))
    except TypeError as error:
        raise ValueError(f"not the times of a wall clock: {text[:80]}") from error
