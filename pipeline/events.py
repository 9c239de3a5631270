"""What happened in a session, in order, for any number of onlookers."""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass, replace

from memory.segment import Note, Observation, Segment

log = logging.getLogger("onlooker.session")


@dataclass(frozen=True, slots=True)
class Remark:
    """Something a person should know of the session itself.

    Attributes:
        time: stream time in seconds.
        kind: ``"source"`` (about the source), ``"fault"`` (something failed, or works again),
            ``"quality"`` (a live stream is watched less closely, or more), ``"error"``, and last
            ``"end"``, or ``"stopped"`` where watching was closed before the source ended.
    """

    time: float
    kind: str
    text: str


Happening = Observation | Segment | Note | Remark


@dataclass(frozen=True, slots=True)
class Event:
    """A happening with its place in the session's order, from 1, and the name of the source
    where the session has several."""

    number: int
    what: Happening
    source: str = ""


class EventLog:
    """The latest events; each reader keeps its own place. Safe to use from any thread.

    Args:
        capacity: events held; a reader that falls further behind misses the oldest, which
            the gap in their numbers shows.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        self._events: deque[Event] = deque(maxlen=capacity)
        self._changed = threading.Condition()
        self._last = 0

    def emit(self, what: Happening, source: str = "") -> None:
        """Add what happened. Of a segment the features are left out: memory has them, and so
        many events would hold them by the gigabyte."""
        if isinstance(what, Segment):
            what = replace(what, features=None, feature_times=())
        if isinstance(what, Remark):
            level = logging.WARNING if what.kind in ("error", "fault") else logging.INFO
            said = {"kind": what.kind, "stream_time": what.time, "source": source}
            log.log(level, "%s", what.text, extra=said)
        with self._changed:
            self._last += 1
            self._events.append(Event(self._last, what, source))
            self._changed.notify_all()

    def after(self, number: int, timeout: float = 0.0) -> list[Event]:
        """Events numbered above ``number``; waits up to ``timeout`` seconds for the first."""
        with self._changed:
            if self._last <= number and timeout > 0:
                self._changed.wait(timeout)
            missed = self._last - number
            if missed <= 0:
                return []
            count = min(missed, len(self._events))
            return [self._events[i] for i in range(len(self._events) - count, len(self._events))]
