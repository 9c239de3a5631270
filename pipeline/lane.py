"""One source of a session, watched on a thread of its own."""

from __future__ import annotations

import math
import threading
import time as clock
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from memory.memory import Memory
from memory.store import StoreError
from models.gaze.fixations import Settings
from models.media import AudioChunk, Break, Frame, Media, moved
from pipeline.engine import Engine
from pipeline.events import EventLog, Happening, Remark
from pipeline.frontier import Frontier
from pipeline.gaze import GazeWatcher, Namer
from pipeline.perception import Perception
from pipeline.quality import Quality, QualityControl
from pipeline.sampler import Sampler
from pipeline.segmenter import Segmenter
from pipeline.sources.reader import Playhead, Reader
from pipeline.sources.source import Properties, Source, SourceError
from pipeline.supervisor import Supervisor
from pipeline.turns import Turns
from pipeline.watcher import Watched, Watcher

PUT_INTO_WORDS = 1.5
"""Seconds that speech may wait for its words before pictures have to give way to it."""

SEALED = 1.5
"""Seconds that what was seen needs to get to disk: words are not waited for beyond that."""

NOT_RUNNING = "nobody watched: Onlooker was not running"


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """One source's live figures, see :class:`pipeline.session.Status`; ``name`` is empty where
    it is the only one."""

    name: str
    time: float
    lag: float
    read: int
    dropped: int
    offered: int
    sampled: int
    watching: bool
    error: str | None
    quality: Quality = Quality.FULL
    faults: Mapping[str, int] = field(default_factory=dict)
    unwritten: int = 0
    lost: int = 0
    wordless: float = 0.0


class Lane:
    """Watches one source into a memory that other lanes may share.

    Its threads: the reader decodes into a bounded queue; ``watch`` samples, perceives, cuts
    into segments and appends them to memory; where the source is live, ``understand`` turns
    speech into words beside it.

    Args:
        name: what the source is called in memory; empty for the only one.
        source: not yet entered; the lane enters and leaves it.
        log: told of all that happens.
        turn: is had by one piece of media under watch at a time, or one question.
        sealed: given each segment once it is in memory, on the watch thread.
        sampled: given each frame that is looked at, in its turn.
        passed: given the stream time that a live source has come to, again and again.
        paced, playhead, stepped, fps, burst, gaze: see :class:`pipeline.session.Session`.

    Attributes:
        origin: stream time of the session, in seconds, at which the source's own begins; set
            before :meth:`start`. What lies between it and what memory holds is a gap.
        frontier: how far it may be watched.
        watcher: what watches; look at it in its turn alone.
        error: what ended the watching, if anything did.
        stopped: told to end while it watched.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        engine: Engine,
        memory: Memory,
        log: EventLog,
        turn: Turns,
        sealed: Callable[[Watched], None],
        sampled: Callable[[Frame], None],
        passed: Callable[[float], None],
        *,
        paced: bool,
        playhead: Playhead | None,
        stepped: bool,
        fps: float,
        burst: float,
        gaze: Settings,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self.name = name
        self.origin = 0.0
        self.error: str | None = None
        self.watching = False
        self.frontier = Frontier(0.0 if stepped else math.inf)
        self.reader = Reader(source, pace=paced, playhead=playhead, clock=monotonic)
        self._monotonic = monotonic
        self._quality = QualityControl()
        self._supervisor = Supervisor(self._emit)
        self._log = log
        self._turn = turn
        self._sealed = sealed
        self.stopped = False
        self._passed = passed
        senses = engine.senses
        last = memory.latest(1, source=name)
        self._heard_until = max((segment.known_at for segment in last), default=-math.inf)
        self._perception = Perception(senses, self._supervisor)
        self.watcher = Watcher(
            self._perception,
            Sampler(fps, burst),
            Segmenter(
                start=last[0].end if last else None, source=name, next_index=memory.next_index
            ),
            memory,
            self._emit,
            GazeWatcher(Namer(senses.seeing, senses.reading, senses.certain_above), gaze),
            sampled,
            self._supervisor,
            self._emit,
        )
        self._thread = threading.Thread(
            target=self._watch, name=f"watch {name}".rstrip(), daemon=True
        )

    def open(self) -> None:
        """Open the source; reading begins.

        Raises:
            SourceError: it cannot be opened.
        """
        self.reader.__enter__()
        for remark in self.properties.remarks:
            self._emit(Remark(self.watcher.now, "source", remark))

    def start(self) -> None:
        """Begin to watch."""
        if self.reader.live:
            given = {"sound": self.properties.has_audio, "pictures": self.properties.has_video}
            self.watcher.expected = frozenset(kind for kind, comes in given.items() if comes)
            self._perception.understanding.start()
        self.watching = True
        self._thread.start()

    @property
    def properties(self) -> Properties:
        """What the source says of itself; once opened."""
        return self.reader.properties

    @property
    def status(self) -> LaneStatus:
        return LaneStatus(
            self.name,
            self.watcher.now,
            self.reader.lag,
            self.reader.read,
            self.reader.dropped + self._perception.understanding.left_out,
            self.watcher.offered,
            self.watcher.sampled,
            self.watching,
            self.error,
            self.watcher.quality,
            self._faults(),
            len(self.watcher.keeper.held),
            self.watcher.keeper.lost,
            self.watcher.wordless,
        )

    def stop(self) -> None:
        """Tell the threads to end; :meth:`join` waits for it."""
        self.stopped = self.stopped or self.watching
        self.frontier.close()
        self.reader.stop()

    def join(self, deadline: float) -> bool:
        """True where all threads have ended by ``deadline`` on the monotonic clock. What was
        seen is in memory as soon as the one that watches has."""
        self._perception.understanding.hurry(deadline - SEALED)
        if self._thread.is_alive():
            self._thread.join(max(0.0, deadline - clock.monotonic()))
        ended = self.reader.close(max(0.0, deadline - clock.monotonic()))
        understood = self._perception.understanding.close(deadline)
        return ended and understood and not self._thread.is_alive()

    def _watch(self) -> None:
        """The watch thread."""
        try:
            try:
                self._was_away()
                for media in self.reader:
                    placed = self._not_heard_before(moved(media, self.origin))
                    for piece in self.frontier.pieces(placed) if placed is not None else ():
                        with self._turn:
                            began = self._monotonic()
                            watched = self.watcher.take(piece)
                            worked = self._monotonic() - began
                        self._hand_on(watched)
                        if self.reader.live:
                            self._ease(worked)
            except SourceError as error:
                self._fail(str(error))
            with self._turn:
                watched = self.watcher.finish()
            self._hand_on(watched)
        except StoreError as error:
            self._fail(str(error))
        except Exception as error:  # a thread must not die in silence
            self._fail(f"watching failed: {type(error).__name__}: {error}")
        finally:
            self.watching = False
            self.frontier.close()
            self._emit(Remark(self.watcher.now, *self._ending()))

    def _was_away(self) -> None:
        """Of a live source that is taken up again: nobody watched meanwhile."""
        last = self.watcher.now
        if self.reader.live and 0 < last < self.origin:
            with self._turn:
                watched = self.watcher.take(Break(last, self.origin, NOT_RUNNING))
            self._hand_on(watched)

    def _ease(self, worked: float) -> None:
        """Watch as closely as there is time for, after ``worked`` seconds of work."""
        lag = max(self.reader.lag, self.watcher.wordless - PUT_INTO_WORDS)
        quality = self._quality.observe(self.watcher.now, lag, worked)
        if quality is not self.watcher.quality:
            with self._turn:
                self.watcher.ease(quality)
            self._emit(Remark(self.watcher.now, "quality", f"quality: {quality.words}"))
        self._passed(self.watcher.now + self.reader.lag)

    def _faults(self) -> dict[str, int]:
        faults = dict(self._supervisor.faults)
        if self.watcher.keeper.failures:
            faults["writing"] = self.watcher.keeper.failures
        return faults

    def _ending(self) -> tuple[str, str]:
        """The kind and text of the last remark."""
        if self.stopped and self.error is None:
            return "stopped", "watching was stopped"
        return "end", self.error or "the stream has ended"

    def _hand_on(self, watched: list[Watched]) -> None:
        for each in watched:
            self._sealed(each)

    def _not_heard_before(self, media: Media) -> Media | None:
        """``media`` without the sound that a resumed memory already holds as an utterance."""
        if not isinstance(media, AudioChunk) or media.time >= self._heard_until:
            return media
        rest = media.split(self._heard_until)[1]
        return rest if len(rest.samples) else None

    def _fail(self, why: str) -> None:
        self.error = why
        self._emit(Remark(self.watcher.now, "error", why))

    def _emit(self, what: Happening) -> None:
        self._log.emit(what, self.name)
