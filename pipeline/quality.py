"""How closely a live stream is looked at: less closely while the machine cannot keep up.

This only decides, from figures it is fed: no thread and no clock. ``pipeline/watcher.py``
applies it. Hearing is not among the steps: it is the last that is given up, and only by the
queue (``pipeline/sources/backlog.py``).
"""

from __future__ import annotations

import enum
import math


class Quality(enum.IntEnum):
    """What is given up, in this order; each step includes those before it."""

    FULL = 0
    FEWER_PICTURES = 1
    NO_READING = 2
    SMALL_PICTURES = 3

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Quality.FULL: "full",
    Quality.FEWER_PICTURES: "fewer pictures",
    Quality.NO_READING: "fewer pictures, text is not read",
    Quality.SMALL_PICTURES: "fewer and small pictures, text is not read",
}


class QualityControl:
    """Steps down while the stream runs away, and up once there has long been time to spare.

    Args:
        late: seconds of lag above which it steps down.
        caught_up: seconds of lag up to which the machine counts as keeping up.
        settle: seconds of stream time that a step is given to show its effect.
        calm: seconds of stream time without lag or much load before a step up.
        spare: load up to which there is time for more.
        memory: seconds of stream time over which the load is averaged.

    Attributes:
        quality: as decided last.
        load: seconds of work for a second of stream, lately.
    """

    def __init__(
        self,
        *,
        late: float = 0.75,
        caught_up: float = 0.3,
        settle: float = 1.0,
        calm: float = 10.0,
        spare: float = 0.6,
        memory: float = 5.0,
    ) -> None:
        if not 0 <= caught_up < late:
            raise ValueError(f"need 0 <= caught_up < late, not {caught_up} and {late}")
        self.quality = Quality.FULL
        self.load = 0.0
        self._late = late
        self._caught_up = caught_up
        self._settle = settle
        self._calm = calm
        self._spare = spare
        self._memory = memory
        self._time = -math.inf
        self._worked = self._passed = 0.0
        self._changed = -math.inf
        self._calm_since: float | None = None

    def observe(self, time: float, lag: float, worked: float) -> Quality:
        """The quality to go on with at stream ``time``.

        Args:
            lag: seconds that watching is behind the source.
            worked: seconds of work since the last call.
        """
        self._average(time, worked)
        if lag > self._late:
            self._calm_since = None
            if time - self._changed >= self._settle and self.quality < max(Quality):
                self._step(1, time)
        elif lag > self._caught_up or self.load > self._spare:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = time
        elif time - self._calm_since >= self._calm and self.quality > Quality.FULL:
            self._step(-1, time)
            self._calm_since = time  # the next step up needs a calm of its own
        return self.quality

    def _step(self, by: int, time: float) -> None:
        self.quality = Quality(self.quality + by)
        self._changed = time

    def _average(self, time: float, worked: float) -> None:
        passed = max(0.0, time - self._time) if math.isfinite(self._time) else 0.0
        self._time = max(self._time, time)
        fading = math.exp(-passed / self._memory)
        self._worked = self._worked * fading + worked
        self._passed = self._passed * fading + passed
        self.load = self._worked / max(self._passed, 1.0)
