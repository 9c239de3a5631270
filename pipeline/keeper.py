"""Puts sealed segments into memory, and holds what cannot be written until there is room."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from memory.memory import Memory
from memory.segment import Fixation, Gap, Segment
from memory.store import StoreError
from pipeline.events import Remark
from pipeline.segmenter import Sealed

HELD_BYTES = 64 * 1024**2
"""Bytes of segments that are held; of more the oldest are lost."""


class Keeper:
    """Writes one stream's segments, each in its turn.

    Args:
        emit: called with each segment once it is on disk.
        tell: given what a person should know.
        most: bytes held where memory cannot be written.

    Attributes:
        failures: writes that failed.
        lost: segments that were given up; a gap stands in their place.
    """

    def __init__(
        self,
        memory: Memory,
        emit: Callable[[Segment], None],
        tell: Callable[[Remark], None] = lambda remark: None,
        most: int = HELD_BYTES,
    ) -> None:
        self.failures = 0
        self.lost = 0
        self._memory = memory
        self._emit = emit
        self._tell = tell
        self._most = most
        self._held: deque[Sealed] = deque()
        self._gap: Sealed | None = None  # in place of what was lost, before all that is held
        self._error: Exception | None = None

    @property
    def held(self) -> tuple[Sealed, ...]:
        """What is not on disk yet, oldest first."""
        return (*(() if self._gap is None else (self._gap,)), *self._held)

    def keep(self, sealed: list[Sealed]) -> list[Sealed]:
        """Take ``sealed`` in; returns what is on disk now and was not before, oldest first."""
        self._held.extend(sealed)
        kept: list[Sealed] = []
        while waiting := self.held:
            # Numbered here: in a memory of several sources others may have come between.
            first = replace(
                waiting[0], segment=replace(waiting[0].segment, index=self._memory.next_index)
            )
            try:
                self._memory.append(first.segment)
            except Exception as error:  # whatever stands in the way, the stream goes on
                self._failed(error)
                return kept
            if self._gap is not None:
                self._gap = None
            else:
                self._held.popleft()
            self._emit(first.segment)
            kept.append(first)
        if self._error is not None:
            self._error = None
            self._tell(Remark(kept[-1].segment.end, "fault", "the session can be written again"))
        return kept

    def finish(self) -> list[Sealed]:
        """One last try.

        Raises:
            StoreError: something could not be written; says how much.
        """
        kept = self.keep([])
        if self._error is not None:
            count = len(self._held) + self.lost
            raise StoreError(f"{self._error} ({count} segments at the end are not kept)")
        return kept

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        if self._error is None:
            last = self._held[-1].segment.end
            why = f"{error}; watching goes on, and what is seen is written once there is room"
            self._tell(Remark(last, "fault", why))
        self._error = error
        # A picture weighs as much as all the rest of its segment many times over.
        self._held = deque(replace(each, pictures=()) for each in self._held)
        while len(self._held) > 1 and sum(map(_bytes, self._held)) > self._most:
            self._give_up(self._held.popleft().segment)

    def _give_up(self, segment: Segment) -> None:
        self.lost += 1
        start = segment.start if self._gap is None else self._gap.segment.start
        reason = "what was seen is lost: the session could not be written"
        gap = replace(
            segment,
            start=start,
            observations=(Gap(start, segment.end, reason),),
            closed_by="gap",
            thumbnail=b"",
            features=None,
            feature_times=(),
            note=None,
        )
        if self._gap is None:
            self._tell(Remark(segment.end, "fault", f"{reason}, and no more can be held"))
        self._gap = Sealed(gap, ())


def _bytes(sealed: Sealed) -> int:
    segment = sealed.segment
    features = 0 if segment.features is None else segment.features.nbytes
    crops = sum(len(o.crop) for o in segment.observations if isinstance(o, Fixation))
    return features + len(segment.thumbnail) + crops + 500 * len(segment.observations)
