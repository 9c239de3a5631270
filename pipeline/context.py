"""The thread that keeps the reasoner's running context up with memory."""

from __future__ import annotations

import math
import queue
import threading
import time as clock
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress

from memory.memory import Memory
from memory.segment import Note
from memory.store import StoreError
from models.media import Frame
from models.reasoning.reasoner import Passage, Reasoner
from pipeline.events import Remark

BACKLOG = 64
"""Passages and pictures that may wait for the context before watching waits, and passages for
a note before the oldest go without."""

NOTE_SHARE = 0.1
"""Most of this thread's time that goes into notes while passages keep coming."""

CONSOLIDATE_EVERY = 60.0
"""Seconds of stream time between two consolidations."""

SESSION_BYTES = 4 * 1024**3
"""Bytes a session may take on disk before its oldest detail fades."""

POLL = 0.1
PATIENCE = 30.0


class ContextThread:
    """Reads closed segments into the running context, in order, and notes what was in them.

    A picture is shown to the reasoner as soon as it was sampled, so that its segment's end
    leaves less to do. Notes wait for idle time: one is written only when nothing waits, and only
    while notes have taken less than :data:`NOTE_SHARE` of the time that has passed. In the same
    idle time the reasoner does what it has due, old segments are gathered into episodes, and
    their detail fades once the session outgrows its budget.

    Args:
        emit: given each note, and what went wrong; and the name of the source it is about.
        now: stream time in seconds that has been watched up to.
        budget: bytes that the session may take on disk.

    Attributes:
        faults: how often each part failed.
    """

    def __init__(
        self,
        reasoner: Reasoner,
        memory: Memory,
        emit: Callable[[Note | Remark, str], None],
        now: Callable[[], float],
        budget: int = SESSION_BYTES,
    ) -> None:
        self._reasoner = reasoner
        self._memory = memory
        self._emit = emit
        self._now = now
        self._budget = budget
        self.faults: Counter[str] = Counter()
        self._consolidated = -math.inf
        self._waiting: queue.Queue[Frame | tuple[Passage, int]] = queue.Queue(BACKLOG)
        self._replayed: list[Passage] = []
        self._unnoted: deque[tuple[Passage, int]] = deque(maxlen=BACKLOG)
        self._closing = threading.Event()
        self._settled = threading.Condition()
        self._outstanding = 0
        self._noting = 0.0
        self._failed = False  # in idle time; not tried again before the next passage
        self._began = 0.0
        self._thread = threading.Thread(target=self._run, name="context", daemon=True)

    def replay(self, passage: Passage) -> None:
        """Read ``passage`` of a resumed session first of all; before :meth:`start`."""
        self._replayed.append(passage)

    def start(self) -> None:
        self._began = clock.monotonic()
        self._outstanding = len(self._replayed)
        self._thread.start()

    def see(self, frame: Frame) -> None:
        """Hand over a sampled frame ahead of its passage; it is passed over when many wait."""
        if self._reasoner.takes_pictures:
            with suppress(queue.Full):
                self._waiting.put_nowait(frame)

    def put(self, passage: Passage, index: int, wait: bool = True) -> None:
        """Hand over the passage of segment ``index``.

        Args:
            wait: while too many are waiting; else the oldest of them is passed over.
        """
        with self._settled:
            self._outstanding += 1
        while not self._closing.is_set():
            try:
                self._waiting.put((passage, index), timeout=POLL if wait else 0.0)
                return
            except queue.Full:
                if not wait:
                    self._pass_over()

    def drain(self) -> None:
        """Wait until all that was handed over is in the context."""
        with self._settled:
            while self._outstanding and not self._closing.is_set():
                self._settled.wait(POLL)

    def close(self, timeout: float = PATIENCE) -> bool:
        """End the thread after the passage it is at; True where it has within ``timeout``."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        for passage in self._replayed:
            self._watch(passage)
        self._replayed.clear()
        busy = False
        while not self._closing.is_set():
            try:
                item = self._waiting.get(timeout=0.0 if busy else POLL)
            except queue.Empty:
                self._note()
                self._consolidate()
                busy = self._idle()
                continue
            if isinstance(item, Frame):
                # What fails here fails again with the picture's passage, and is told then.
                with suppress(Exception):
                    self._reasoner.see(item.image, item.time)
                continue
            passage, index = item
            self._failed = False
            self._watch(passage)
            self._unnoted.append((passage, index))

    def _pass_over(self) -> None:
        """The oldest of what waits is never read, though recall still finds it."""
        with suppress(queue.Empty):
            item = self._waiting.get_nowait()
            if not isinstance(item, Frame):
                self.faults["keeping up"] += 1
                self._tell(item[0], "not read into the running context, which is behind")
                self._settle()

    def _settle(self) -> None:
        with self._settled:
            self._outstanding -= 1
            self._settled.notify_all()

    def _watch(self, passage: Passage) -> None:
        try:
            if not self._closing.is_set():
                self._reasoner.watch(passage)
        except Exception as error:  # the stream goes on, and recall still finds the segment
            self.faults["thinking"] += 1
            self._tell(passage, f"{type(error).__name__}: {error}")
        self._settle()

    def _note(self) -> None:
        passed = clock.monotonic() - self._began
        if not self._unnoted or self._noting > NOTE_SHARE * passed:
            return
        passage, index = self._unnoted.popleft()
        started = clock.monotonic()
        try:
            text = self._reasoner.note(passage)
            if text:
                note = Note(passage.start, passage.end, text, written=self._now())
                self._memory.write_note(index, note)
                self._emit(note, passage.source)
        except Exception as error:  # whatever a model does, watching goes on
            self.faults["writing notes"] += 1
            self._tell(passage, f"no note: {error}")
        self._noting += clock.monotonic() - started

    def _idle(self) -> bool:
        if self._failed:
            return False
        try:
            return self._reasoner.idle()
        except Exception as error:
            self._failed = True
            self._emit(Remark(self._now(), "error", f"{type(error).__name__}: {error}"), "")
            return False

    def _consolidate(self) -> None:
        now = self._now()
        if now < self._consolidated + CONSOLIDATE_EVERY:
            return
        try:
            more = self._memory.consolidate(now, self._budget).more
        except StoreError as error:
            self._emit(Remark(now, "error", str(error)), "")
            more = False
        if not more:
            self._consolidated = now

    def _tell(self, passage: Passage, why: str) -> None:
        said = f"{passage.start:.0f}-{passage.end:.0f} s: {why}"
        self._emit(Remark(passage.end, "error", said), passage.source)
