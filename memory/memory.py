"""The one door to memory: append what was watched, find it again."""

from __future__ import annotations

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from memory.archive import Archive
from memory.codec import entries
from memory.consolidation import Consolidated, consolidate
from memory.line_index import LineIndex
from memory.recall import Embed, Recalled, recall
from memory.segment import Gap, Note, Segment, Turn
from memory.store import Store
from memory.timeline import Node, gaps, timeline
from memory.turns import LATEST, relevant_turns
from memory.wall_clock import Anchor, WallClock


@dataclass(frozen=True, slots=True)
class Statistics:
    """How much a session holds: segments, findable lines, bytes on disk."""

    segments: int
    lines: int
    bytes: int


class Memory:
    """A session's memory. Every method may be called from any thread; writes take turns,
    and reads wait for none of them.

    Use :meth:`open`; close it, or use it as a context manager.
    """

    def __init__(
        self,
        store: Store,
        embed: Embed | None,
        folder: tempfile.TemporaryDirectory[str] | None = None,
    ) -> None:
        self._store = store
        self._embed = None if embed is None else _Remembered(embed)
        self._folder = folder
        self._writing = threading.Lock()
        self._consolidating = threading.Lock()
        self._index = LineIndex(store.spans(), store.rows(), store.path.parent)

    @classmethod
    def open(cls, path: Path | None, embed: Embed | None, read_only: bool = False) -> Memory:
        """Open or make the session at ``path``; None is a temporary one, gone when closed.

        Args:
            embed: texts to unit vectors, ``float32 (n, D)``; None to find by words alone.
            read_only: for looking at a session, also while another process writes it; what
                that one appends later is not seen.

        Raises:
            StoreError: the session cannot be opened; says why and what to do.
        """
        folder = None
        if path is None:
            folder = tempfile.TemporaryDirectory(prefix="onlooker-")
            path = Path(folder.name) / "session.onlooker"
        try:
            store = Store(path, read_only)
            try:
                return cls(store, embed, folder)
            except BaseException:
                store.close()
                raise
        except BaseException:
            if folder is not None:
                folder.cleanup()
            raise

    @property
    def path(self) -> Path:
        """The session's file."""
        return self._store.path

    @property
    def wall_clock(self) -> WallClock | None:
        """What clocks on the wall showed at the stream's times, where that is known."""
        return self._store.wall_clock

    def watched_at(self, anchor: Anchor) -> None:
        """Keep what the clock showed at a stream time, so that it can be asked by. Raises
        StoreError."""
        self._store.watched_at(anchor)

    @property
    def next_index(self) -> int:
        """The index the next segment must have: 0 in a new session, more in a resumed one."""
        return self._store.next_index

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources that have segments, in the order of their first."""
        return self._store.sources

    def append(self, segment: Segment) -> None:
        """Keep the next segment; it is on disk when this returns. Those of one source come in
        the order of their starts; those of several may overlap.

        Raises:
            StoreError: a full disk, a segment out of order, or a clock that went back. The
                segment is not kept then, and may be appended again.
        """
        with self._writing:
            texts = [entry.text for entry in entries(segment)]
            vectors = self._embed(texts) if self._embed is not None and texts else None
            rows = self._store.append(segment, vectors)
            self._index.add_segment(segment.start, segment.end, segment.source, rows)
            self._index.release()

    def write_note(self, index: int, note: Note) -> None:
        """Set the note of segment ``index``, in place of one it had. Raises StoreError.

        A note that does not say when it was written counts as written at the end of the
        latest segment.
        """
        with self._writing:
            if note.written is None:
                ends = self._index.snapshot().ends
                note = replace(note, written=float(ends.max()) if len(ends) else None)
            vector = None if self._embed is None else self._embed([note.text])[0]
            row, replaced = self._store.write_note(index, note, vector)
            self._index.replace(replaced, row)

    def remember(self, turn: Turn) -> None:
        """Keep a question and its answer. Raises StoreError."""
        text = f"{turn.question} {turn.answer}"
        self._store.remember(turn, None if self._embed is None else self._embed([text])[0])

    def turns(self, until: float | None = None, limit: int | None = None) -> list[Turn]:
        """Questions put and answered by stream time ``until``, oldest first; where there is a
        ``limit``, the latest of them."""
        return self._store.turns(until, limit)

    def relevant_turns(self, question: str, time: float, k: int = 3) -> list[Turn]:
        """The earlier questions that one put at stream ``time`` refers to, the likeliest first;
        none where it stands by itself."""
        vector = None if self._embed is None else self._embed([question])[0]
        return relevant_turns(question, vector, self._store.turns_with_vectors(time, LATEST), k)

    def segments(
        self,
        until: float | None = None,
        since_index: int = 0,
        limit: int | None = None,
        media: bool = True,
    ) -> list[Segment]:
        """Segments from ``since_index`` on, in order, as they were known at ``until``.

        ``media`` False leaves out pictures and features.
        """
        return self._store.segments(until, since_index, limit, media)

    def thumbnail(self, index: int) -> bytes:
        """The JPEG of segment ``index``, empty where there is none."""
        return self._store.thumbnail(index)

    def latest(
        self, count: int, until: float | None = None, source: str | None = None
    ) -> list[Segment]:
        """The last ``count`` segments that had begun at ``until``, by start, as they were known
        then; of one source, where it is named. Without pictures and features.
        """
        return self._store.latest(count, until, source)

    def recall(self, question: str, time: float, k: int = 3) -> list[Recalled]:
        """The segments that best answer a question put at stream ``time``, best first; of
        several sources only those that the question names, where it names any.

        Uses nothing that was known later than ``time``.
        """
        return recall(question, time, k, self._store, self._index.snapshot(), self._embed)

    def timeline(
        self,
        until: float | None = None,
        levels: Collection[int] = (0, 1, 2),
        since: float | None = None,
    ) -> list[Node]:
        """What was there from stream time ``since`` to ``until``, as it was known then:
        segments (level 0), episodes (1) and days (2), by start, the coarser first."""
        return timeline(self._store, until, levels, since)

    def gaps(self, since: float, until: float, shortest: float = 0.0) -> list[Gap]:
        """When the source was away, of what touches stream time ``since`` to ``until``: gaps of
        at least ``shortest`` seconds, by start."""
        return gaps(self._store, since, until, shortest)

    def consolidate(self, now: float, budget: int, steps: int = 8) -> Consolidated:
        """Gather what is settled at stream time ``now`` into episodes and days, and let old
        detail fade until the session holds at most ``budget`` bytes.

        A short piece of work for an idle moment: at most ``steps`` small transactions, between
        which others may write. Call it again while ``more`` is true.

        Raises:
            StoreError: the session cannot be written; what was done before stays done.
        """
        with self._consolidating:
            done = consolidate(Archive(self._store), now, budget, steps, self._index.remove)
            self._index.release()
            return done

    def statistics(self) -> Statistics:
        """How much is held now."""
        return Statistics(self._store.next_index, len(self._index), self._store.bytes())

    def close(self) -> None:
        """Give back the session; a temporary one is deleted. Closing twice is allowed."""
        with self._writing:
            self._store.close()
            if self._folder is not None:
                self._folder.cleanup()
                self._folder = None

    def __enter__(self) -> Memory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Remembered:
    """An embedder that keeps its last answers: labels and captions come again and again."""

    _MOST = 1024

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        self._kept: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._lock:
            have = {text: self._kept[text] for text in texts if text in self._kept}
        new = [text for text in dict.fromkeys(texts) if text not in have]
        if new:
            have.update(zip(new, np.asarray(self._embed(new), dtype=np.float32), strict=True))
        with self._lock:
            for text in texts:
                self._kept[text] = have[text]
                self._kept.move_to_end(text)
            while len(self._kept) > self._MOST:
                self._kept.popitem(last=False)
        return np.stack([have[text] for text in texts])
