"""A session: one source watched into one memory, and questions about it meanwhile.

Three threads, each owned and joined here:

- the reader (``pipeline/sources/reader.py``) decodes into a bounded queue;
- ``watch`` samples, perceives, cuts into segments and appends them to memory;
- ``context`` extends the reasoner's running context by each segment (``pipeline/context.py``).

Answers are made on the caller's own thread, so watching and answering never wait for each
other beyond one forward pass of the reasoner.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from memory.memory import Memory
from memory.segment import Segment
from memory.short_term import ShortTerm
from memory.store import StoreError
from models.gaze.fixations import HEAD_WORN, Settings
from models.media import AudioChunk, Media
from models.reasoning.reasoner import Passage
from pipeline.answer import Answer
from pipeline.asker import Asker
from pipeline.context import ContextThread
from pipeline.engine import Engine
from pipeline.events import Event, EventLog, Remark
from pipeline.evidence import passage
from pipeline.frontier import Frontier
from pipeline.gaze import GazeWatcher, Namer
from pipeline.perception import Perception
from pipeline.recollection import REPLAYED
from pipeline.sampler import Sampler
from pipeline.segmenter import Segmenter
from pipeline.sources.reader import Playhead, Reader
from pipeline.sources.source import Properties, Source, SourceError
from pipeline.turns import Turns
from pipeline.watcher import Watched, Watcher

PATIENCE = 30.0
"""Seconds that a thread is given to end."""

PICTURE_BYTES = 64 * 1024**2
"""Bytes of sampled pictures kept at hand, for a reasoner that looks at them again."""


@dataclass(frozen=True, slots=True)
class Status:
    """A session's live figures.

    Attributes:
        time: stream time watched up to, in seconds.
        lag: seconds of stream time between what was read and what was watched.
        read, dropped: media items read from the source, and those of them dropped.
        offered, sampled: frames that came to the sampler, and those looked at.
        segments: segments in memory.
        context, context_limit: tokens in the running context, and the most it holds.
        watching: False once the source has ended, failed or was stopped.
        error: what ended the watching, if anything did.
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


class Session:
    """Watches ``source`` into ``memory``. Start it, ask it, close it; or use it in ``with``.

    Args:
        source: not yet entered; the session enters and leaves it. Of a memory that already
            holds segments, a file is to be opened where those end (:func:`resume_at`).
        memory: new, or that of an earlier session over the same source. It stays the
            caller's to close.
        paced: play a file no faster than its own time, or than ``playhead``.
        stepped: watch nothing until :meth:`watch_until` says how far.
        fps, burst: see :class:`pipeline.sampler.Sampler`.
        gaze: how fixations are told from saccades, where the source gives gaze samples.
    """

    def __init__(
        self,
        source: Source,
        engine: Engine,
        memory: Memory,
        *,
        paced: bool = False,
        playhead: Playhead | None = None,
        stepped: bool = False,
        fps: float = 1.0,
        burst: float = 2.0,
        gaze: Settings = HEAD_WORN,
    ) -> None:
        self.memory = memory
        self._certain_above = engine.senses.certain_above
        self._reader = Reader(source, pace=paced, playhead=playhead)
        self._reasoner = engine.new_reasoner(memory.path.with_suffix(".slow"))
        self._pictures = ShortTerm(PICTURE_BYTES) if self._reasoner.takes_pictures else None
        self._log = EventLog()
        past = memory.latest(REPLAYED)
        self._heard_until = max((s.known_at for s in past[-1:]), default=-math.inf)
        self._watcher = Watcher(
            Perception(engine.senses),
            Sampler(fps, burst),
            Segmenter(start=past[-1].end if past else None, next_index=memory.next_index),
            memory,
            self._log.emit,
            GazeWatcher(
                Namer(engine.senses.seeing, engine.senses.reading, self._certain_above), gaze
            ),
            sampled=lambda frame: self._context.see(frame),
        )
        self._asker = Asker(
            memory,
            self._reasoner,
            self._certain_above,
            engine.embed,
            self._log.emit,
            self._pictures,
        )
        self._context = ContextThread(
            self._reasoner, memory, self._log.emit, lambda: self._watcher.now
        )
        for segment in past:
            self._context.replay(self._passage(segment))
        self._frontier = Frontier(0.0 if stepped else math.inf)
        self._turn = Turns()  # had by one piece of media under watch, or one question
        self._error: str | None = None
        self._watching = False
        self._stopped = False
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def start(self) -> Self:
        """Open the source and begin to watch.

        Raises:
            SourceError: the source cannot be opened.
        """
        self._reader.__enter__()
        for remark in self.properties.remarks:
            self._log.emit(Remark(self._watcher.now, "source", remark))
        self._watching = True
        self._context.start()
        self._thread.start()
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def properties(self) -> Properties:
        """What the source says of itself; once started."""
        return self._reader.properties

    @property
    def playhead(self) -> Playhead:
        """Where a paced file is played."""
        return self._reader.playhead

    @property
    def status(self) -> Status:
        used, limit = self._reasoner.context_tokens
        return Status(
            time=self._watcher.now,
            lag=self._reader.lag,
            read=self._reader.read,
            dropped=self._reader.dropped,
            offered=self._watcher.offered,
            sampled=self._watcher.sampled,
            segments=self.memory.next_index,
            context=used,
            context_limit=limit,
            watching=self._watching,
            error=self._error,
        )

    def events(self, after: int = 0, timeout: float = 0.0) -> list[Event]:
        """Events numbered above ``after``; waits up to ``timeout`` seconds for the first."""
        return self._log.after(after, timeout)

    def watch_until(self, time: float) -> None:
        """Of a stepped session: watch on to stream ``time`` and no further.

        Returns when all of it has been watched and is in the running context, or when the
        source has ended.
        """
        self._frontier.move(time)
        self._frontier.wait_until_reached(time)
        self._context.drain()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the source to end; True if it has, and all of it is in the context."""
        if not self._frontier.wait_until_closed(timeout):
            return False
        self._context.drain()
        return True

    def close(self) -> None:
        """End watching. What was seen is in memory. Closing twice is allowed."""
        self._stopped = True
        self._frontier.close()
        self._reader.close()
        if self._thread.is_alive():
            self._thread.join(PATIENCE)
        self._context.close()

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

    def _present(self) -> tuple[float, Watched | None]:
        """Stream time now, and the stretch not sealed yet, between two pieces of media."""
        with self._turn:
            return self._watcher.now, self._watcher.so_far()

    def _passage(self, segment: Segment, watched: Watched | None = None) -> Passage:
        if watched is None:
            return passage(segment, self._certain_above)
        return passage(segment, self._certain_above, watched.pictures, watched.sound)

    def _watch(self) -> None:
        """The watch thread."""
        try:
            try:
                for media in self._reader:
                    placed = self._not_heard_before(media)
                    for piece in self._frontier.pieces(placed) if placed is not None else ():
                        with self._turn:
                            watched = self._watcher.take(piece)
                        self._extend_context(watched)
            except SourceError as error:
                self._fail(str(error))
            with self._turn:
                watched = self._watcher.finish()
            self._extend_context(watched)
        except StoreError as error:
            self._fail(str(error))
        except Exception as error:  # a thread must not die in silence
            self._fail(f"watching failed: {type(error).__name__}: {error}")
        finally:
            self._watching = False
            self._frontier.close()
            self._log.emit(Remark(self._watcher.now, *self._ending()))

    def _ending(self) -> tuple[str, str]:
        """The kind and text of the last remark."""
        if self._stopped and self._error is None:
            return "stopped", "watching was stopped"
        return "end", self._error or "the stream has ended"

    def _extend_context(self, watched: list[Watched]) -> None:
        for each in watched:
            if self._pictures is not None:
                self._pictures.keep(each.segment.index, each.pictures)
            self._context.put(self._passage(each.segment, each), each.segment.index)

    def _not_heard_before(self, media: Media) -> Media | None:
        """``media`` without the sound that a resumed memory already holds as an utterance."""
        if not isinstance(media, AudioChunk) or media.time >= self._heard_until:
            return media
        rest = media.split(self._heard_until)[1]
        return rest if len(rest.samples) else None

    def _fail(self, why: str) -> None:
        self._error = why
        self._log.emit(Remark(self._watcher.now, "error", why))


def resume_at(memory: Memory) -> float:
    """Stream seconds at which a file is to be opened so that a memory's session goes on."""
    last = memory.latest(1)
    return last[0].end if last else 0.0
