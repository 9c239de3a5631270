"""A session: sources watched into one memory, and questions about them meanwhile.

Its threads, each owned and joined here:

- for each source those of its lane (``pipeline/lane.py``): the reader decodes into a bounded
  queue; ``watch`` samples, perceives, cuts into segments and appends them to memory; of a live
  source ``understand`` puts speech into words;
- ``context`` extends the reasoner's running context by each segment (``pipeline/context.py``).

Answers are made on the caller's own thread, so watching and answering never wait for each
other beyond one forward pass of the reasoner.
"""

from __future__ import annotations

import math
import time as clock
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

from memory.memory import Memory
from memory.segment import Segment
from memory.short_term import ShortTerm
from memory.store import StoreError
from memory.wall_clock import DAY, Anchor
from models.gaze.fixations import HEAD_WORN, Settings
from models.media import Frame
from models.reasoning.reasoner import Passage
from pipeline.answer import Answer
from pipeline.asker import Asker
from pipeline.context import ContextThread
from pipeline.engine import Engine
from pipeline.events import Event, EventLog, Remark
from pipeline.evidence import passage
from pipeline.lane import Lane, LaneStatus
from pipeline.quality import Quality
from pipeline.recollection import REPLAYED
from pipeline.sources.reader import Playhead
from pipeline.sources.source import Properties, Source
from pipeline.turns import Turns
from pipeline.watcher import Watched

PATIENCE, HURRY = 30.0, 4.0
"""Seconds that the threads are given to end, and where the process is told to."""

DRIFT, TIME_KEPT = 2.0, 600.0
"""Seconds by which stream time may be off the clock on the wall, and between two looks at it."""

PICTURE_BYTES = 64 * 1024**2
"""Bytes of sampled pictures kept at hand, for a reasoner that looks at them again."""


@dataclass(frozen=True, slots=True)
class Status:
    """A session's live figures.

    Attributes:
        time: stream time watched up to, in seconds.
        lag: seconds of stream time between what was read and what was watched.
        read, dropped: media items read from the source, and those of them dropped; a stretch of
            speech that was not understood for want of time counts as one.
        offered, sampled: frames that came to the sampler, and those looked at.
        segments: segments in memory.
        context, context_limit: tokens in the running context, and the most it holds.
        watching: False once the source has ended, failed or was stopped.
        error: what ended the watching, if anything did.
        quality: how closely is looked; of several sources the lowest.
        faults: how often each part failed, by its name.
        wordless: seconds for which the oldest speech that has ended waits for its words.
        unwritten, lost: segments held because the session cannot be written, and those of them
            given up.
        lanes: the same of each source. Of several, what stands above is the latest time, the
            greatest lag, sums, whether any is watched, and the errors of those that failed.
    """

    time: float
    lag: float
    read: int
    dropped: int
    offered: int
    sampled: int
    segments: int
    context: int
    context_limit: int
    watching: bool
    error: str | None
    quality: Quality = Quality.FULL
    faults: Mapping[str, int] = field(default_factory=dict)
    unwritten: int = 0
    lost: int = 0
    wordless: float = 0.0
    lanes: tuple[LaneStatus, ...] = ()


class Session:
    """Watches ``source`` into ``memory``. Start it, ask it, close it; or use it in ``with``.

    Several sources have one clock: a file's is its own time, a live source's the seconds
    since the session began. One that ends or fails does not end the others.

    Args:
        source: not yet entered; the session enters and leaves it. Of a memory that already
            holds segments, a file is to be opened where those end (:func:`resume_at`).
            Several are given by name.
        memory: new, or that of an earlier session over the same source. It stays the
            caller's to close.
        paced: play a file no faster than its own time, or than ``playhead``.
        stepped: watch nothing until :meth:`watch_until` says how far.
        fps, burst: see :class:`pipeline.sampler.Sampler`.
        gaze: how fixations are told from saccades, where the source gives gaze samples.
        monotonic: seconds that have passed, by which a live source's lag is measured.
        wall: seconds since 1970, by which a live source's stream is asked of.
    """

    def __init__(
        self,
        source: Source | Mapping[str, Source],
        engine: Engine,
        memory: Memory,
        *,
        paced: bool = False,
        playhead: Playhead | None = None,
        stepped: bool = False,
        fps: float = 1.0,
        burst: float = 2.0,
        gaze: Settings = HEAD_WORN,
        monotonic: Callable[[], float] = clock.monotonic,
        wall: Callable[[], float] = clock.time,
    ) -> None:
        self.memory = memory
        self._certain_above = engine.senses.certain_above
        self._reasoner = engine.new_reasoner(memory.path.with_suffix(".slow"))
        self._pictures = ShortTerm(PICTURE_BYTES) if self._reasoner.takes_pictures else None
        self._log = EventLog()
        self._asker = Asker(
            memory,
            self._reasoner,
            self._certain_above,
            engine.embed,
            self._log.emit,
            self._pictures,
        )
        self._context = ContextThread(self._reasoner, memory, self._log.emit, lambda: self._now)
        for segment in memory.latest(REPLAYED):
            self._context.replay(self._passage(segment))
        self._turn = Turns()
        self._closed = False
        self._monotonic = monotonic
        self._wall = wall
        self._time_due = -math.inf
        sources = source if isinstance(source, Mapping) else {"": source}
        self._lanes = [
            Lane(
                name,
                each,
                engine,
                memory,
                self._log,
                self._turn,
                self._extend_context,
                # Pictures ahead of their passage are told apart by their time alone.
                self._context.see if len(sources) == 1 else _pass_over,
                self._keep_time,
                paced=paced,
                playhead=playhead,
                stepped=stepped,
                fps=fps,
                burst=burst,
                gaze=gaze,
                monotonic=monotonic,
            )
            for name, each in sources.items()
        ]

    def start(self) -> Self:
        """Open the sources and begin to watch.

        Raises:
            SourceError: one cannot be opened. None is watched then.
        """
        resumed, began = resume_at(self.memory), math.inf
        away = self._away(resumed)
        self._context.start()
        try:
            for lane in self._lanes:
                lane.open()
                began = min(began, clock.monotonic())
                if lane.properties.live and not lane.properties.start:
                    lane.origin = resumed + away + clock.monotonic() - began
                if lane.properties.live:
                    self._keep_time(max(lane.origin, lane.properties.start))
                lane.start()
        except BaseException:
            self.close()
            raise
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        hurry = kind is not None and issubclass(kind, KeyboardInterrupt)
        self.close(HURRY if hurry else PATIENCE)

    @property
    def properties(self) -> Properties:
        """What the source, of several the first, says of itself; once started."""
        return self._lanes[0].properties

    @property
    def properties_by_name(self) -> dict[str, Properties]:
        """What each source says of itself; once started."""
        return {lane.name: lane.properties for lane in self._lanes}

    @property
    def stopped(self) -> bool:
        """Closed before all sources had ended."""
        return any(lane.stopped for lane in self._lanes)

    @property
    def playhead(self) -> Playhead:
        """Where a paced file, of several the first, is played."""
        return self._lanes[0].reader.playhead

    @property
    def status(self) -> Status:
        used, limit = self._reasoner.context_tokens
        lanes = tuple(lane.status for lane in self._lanes)
        failed = [f"{e.name}: {e.error}" if e.name else e.error for e in lanes if e.error]
        return Status(
            time=max(each.time for each in lanes),
            lag=max(each.lag for each in lanes),
            read=sum(each.read for each in lanes),
            dropped=sum(each.dropped for each in lanes),
            offered=sum(each.offered for each in lanes),
            sampled=sum(each.sampled for each in lanes),
            segments=self.memory.next_index,
            context=used,
            context_limit=limit,
            watching=any(each.watching for each in lanes),
            error="; ".join(failed) or None,
            quality=max(each.quality for each in lanes),
            faults=dict(sum((Counter(each.faults) for each in lanes), self._context.faults)),
            unwritten=sum(each.unwritten for each in lanes),
            lost=sum(each.lost for each in lanes),
            wordless=max(each.wordless for each in lanes),
            lanes=lanes,
        )

    def events(self, after: int = 0, timeout: float = 0.0) -> list[Event]:
        """Events numbered above ``after``; waits up to ``timeout`` seconds for the first."""
        return self._log.after(after, timeout)

    def watch_until(self, time: float) -> None:
        """Of a stepped session: watch on to stream ``time`` and no further.

        Returns when all of it has been watched and is in the running context, or when the
        source has ended.
        """
        for lane in self._lanes:
            lane.frontier.move(time)
        for lane in self._lanes:
            lane.frontier.wait_until_reached(time)
        self._context.drain()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for all sources to end; True if they have, and all of them is in the context."""
        deadline = math.inf if timeout is None else clock.monotonic() + timeout
        for lane in self._lanes:
            left = None if timeout is None else max(0.0, deadline - clock.monotonic())
            if not lane.frontier.wait_until_closed(left):
                return False
        self._context.drain()
        return True

    def close(self, within: float = PATIENCE) -> bool:
        """End watching. What was seen is in memory. Closing twice is allowed.

        Returns:
            True where all threads have ended ``within`` that many seconds.
        """
        if self._closed:
            return True
        self._closed = True
        deadline = clock.monotonic() + within
        for lane in self._lanes:
            lane.stop()
        ended = [lane.join(deadline) for lane in self._lanes]
        return self._context.close(max(0.0, deadline - clock.monotonic())) and all(ended)

    def ask(
        self,
        question: str,
        options: Sequence[str] = (),
        at: float | None = None,
        history: bool = True,
    ) -> Answer:
        """Answer from what was known at stream time ``at``, by default now.

        Also after the source has ended.

        Args:
            options: texts to choose from; empty for a free answer.
            history: with regard to earlier questions, and to be remembered with them.

        Returns:
            The answer, made on the thread that iterates it.

        Raises:
            AskError: the question is empty, or nothing had been seen by then.
        """
        now, current = self._present()
        time = now if at is None else min(at, now)
        return self._asker.ask(question, options, time, current, history)

    def _away(self, resumed: float) -> float:
        """Seconds for which nobody watched before the session goes on at stream ``resumed``,
        where that is known and is no longer than a day."""
        known = self.memory.wall_clock
        away = 0.0 if known is None or not resumed else self._wall() - known.wall(resumed)
        return away if 0 < away <= DAY else 0.0

    def _keep_time(self, time: float) -> None:
        """What the clock on the wall shows as stream ``time`` comes; now and then."""
        if self._monotonic() < self._time_due:
            return
        self._time_due = self._monotonic() + TIME_KEPT
        wall, known = self._wall(), self.memory.wall_clock
        if known is not None and abs(known.wall(time) - wall) < DRIFT:
            return
        offset = datetime.fromtimestamp(wall).astimezone().utcoffset()
        try:
            self.memory.watched_at(Anchor(time, wall, offset.total_seconds() if offset else 0.0))
        except StoreError as error:
            self._log.emit(Remark(time, "fault", str(error)))

    @property
    def _now(self) -> float:
        return max(lane.watcher.now for lane in self._lanes)

    def _present(self) -> tuple[float, list[Watched]]:
        """Stream time now, and the stretches not sealed yet, between two pieces of media."""
        with self._turn:
            now = self._now
            present = [(lane.watcher, lane.watcher.so_far()) for lane in self._lanes]
        # Half a sentence may take a second to understand: watching goes on meanwhile.
        return now, [each for watcher, so_far in present for each in watcher.heard_out(so_far)]

    def _passage(self, segment: Segment, watched: Watched | None = None) -> Passage:
        if watched is None:
            return passage(segment, self._certain_above)
        return passage(segment, self._certain_above, watched.pictures, watched.sound)

    def _extend_context(self, watched: Watched) -> None:
        if self._pictures is not None:
            self._pictures.keep(watched.segment.index, watched.pictures)
        live = any(lane.reader.live for lane in self._lanes)
        seen = self._passage(watched.segment, watched)
        self._context.put(seen, watched.segment.index, wait=not live)


def resume_at(memory: Memory, source: str | None = None) -> float:
    """Stream seconds at which a file, of several the one called ``source``, is to be opened so
    that a memory's session goes on; without a name, the latest of them."""
    names = memory.sources if source is None else (source,)
    return max((s.end for name in names for s in memory.latest(1, source=name)), default=0.0)


def _pass_over(frame: Frame) -> None:
    """Do nothing with it."""
