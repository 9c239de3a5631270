"""Keeps one stream watched while a part of it fails: without that part, which is tried again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tenacity import RetryCallState, Retrying, wait_exponential

from memory.segment import Gap
from pipeline.events import Remark

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds of stream time before a failed part is tried again: each wait doubles."""

PIECE = 30.0
"""Seconds after which a gap that goes on is told, so that it can be asked about meanwhile."""

T = TypeVar("T")


@dataclass(slots=True)
class _Outage:
    """A stretch without something; ``told`` is up to where it was given as a gap."""

    reason: str
    told: float
    ended: float | None = None
    retry_at: float = 0.0
    tries: RetryCallState = field(default_factory=lambda: RetryCallState(Retrying(), None, (), {}))


class Supervisor:
    """Runs a stream's model steps. From one thread at a time.

    A step that raises is left out until a wait has passed, then tried again. The stretch
    without it is told at both ends and becomes a :class:`memory.segment.Gap`.

    Args:
        tell: given what a person should know.

    Attributes:
        faults: how often each part failed.
    """

    def __init__(self, tell: Callable[[Remark], None] = lambda remark: None) -> None:
        self.faults: Counter[str] = Counter()
        self._tell = tell
        self._wait = wait_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)
        self._out: dict[str, _Outage] = {}
        self._over: list[_Outage] = []

    def attempt(
        self, part: str, time: float, step: Callable[[], T], since: float | None = None
    ) -> T | None:
        """What ``step`` gives, or None where it fails or was left out.

        Args:
            part: in words, such as ``"reading"``.
            time: stream seconds now.
            since: stream time of what the step is about, where that began earlier.
        """
        outage = self._out.get(part)
        if outage is not None and time < outage.retry_at:
            return None
        try:
            done = step()
        except Exception as error:  # whatever a part does, the stream goes on
            self._failed(part, time, time if since is None else since, error)
            return None
        if outage is not None:
            self.end(part, time if since is None else since)
            self._tell(Remark(time, "fault", f"{part} works again"))
        return done

    def begin(self, part: str, time: float, reason: str) -> bool:
        """From stream ``time`` on ``part`` is missing, because of ``reason``; False where that
        is known."""
        if part in self._out:
            return False
        self._out[part] = _Outage(reason, time)
        return True

    def end(self, part: str, time: float) -> bool:
        """Of what :meth:`begin` began; False where nothing was missing."""
        outage = self._out.pop(part, None)
        if outage is None:
            return False
        outage.ended = max(time, outage.told)
        self._over.append(outage)
        return True

    def gaps(self, time: float) -> tuple[Gap, ...]:
        """The gaps that are over at stream ``time``, and pieces of those that go on."""
        found = []
        for outage in [*self._over, *self._out.values()]:
            upto = time if outage.ended is None else outage.ended
            if upto > outage.told and (outage.ended is not None or upto >= outage.told + PIECE):
                found.append(Gap(outage.told, upto, outage.reason))
                outage.told = upto
        self._over.clear()
        return tuple(found)

    def finish(self, time: float) -> tuple[Gap, ...]:
        """The gaps that the end of the stream ends."""
        for part in list(self._out):
            self.end(part, time)
        return self.gaps(time)

    def _failed(self, part: str, time: float, since: float, error: Exception) -> None:
        self.faults[part] += 1
        why = f"{part} failed ({type(error).__name__}: {error})"
        outage = self._out.get(part)
        if outage is None:
            self._tell(Remark(time, "fault", f"{why}; watching goes on and it is tried again"))
            outage = self._out[part] = _Outage(why, since)
        else:
            outage.tries.attempt_number += 1
        outage.retry_at = time + self._wait(outage.tries)
