"""A streaming context that never fills up.

The stream goes on and the cache does not grow. When the context is nearly full, what is
old is consolidated (the recent passages stay as they are, older ones fall back to their
brief form, the oldest are thinned out) and prefilled into a second cache, chunk by chunk,
while the first still answers; then the two are swapped.

Nothing here starts a thread: the watcher calls :meth:`RollingContext.append`, and whoever
has time calls :meth:`RollingContext.step`. An answer waits for no more than the one chunk
that is running, as with any prefill (:class:`models.reasoning.gate.PriorityGate`).

Recomputing a shortened past is exact. Evicting old entries of the cache in place, as
StreamingVLM does (Xu et al. 2025, arXiv 2510.09608), is cheaper but leaves entries that were
computed from what has gone; it needs a model trained for that.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from models.reasoning.context import ContextFull, Fork, StreamingContext, Tokens


@dataclass(slots=True, eq=False)
class Entry:
    """One passage in the context.

    Attributes:
        key: its number, from 0, in the order of appending.
        known_at: stream time in seconds from which it may be used.
        full: its tokens as first appended; None once it has been shortened.
        brief: the fewer tokens that stand for it when it is old; None if nothing does.
    """

    key: int
    known_at: float
    full: Tokens | None
    brief: Tokens | None

    @property
    def tokens(self) -> Tokens:
        """Its tokens in the context now."""
        tokens = self.full if self.full is not None else self.brief
        assert tokens is not None
        return tokens


@dataclass(frozen=True, slots=True)
class Span:
    """Where a passage stands in the context: tokens ``start`` to ``stop``."""

    key: int
    start: int
    stop: int
    known_at: float


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """The context as of a stream time: a fork of it, and where the passages stand in it."""

    fork: Fork
    spans: tuple[Span, ...]


def consolidate(entries: Sequence[Entry], budget: int) -> list[Entry]:
    """What is kept of ``entries`` (oldest first) within ``budget`` tokens.

    The newest stay as they are, as many as fit into half of the budget, or into what the
    brief forms of all others leave of it; those others fall back to their brief forms. Where
    these are still too many, every second one of the older half goes, again and again: the
    further back, the sparser, and the first passage goes last.
    """
    brief = [len(e.brief) if e.brief is not None else 0 for e in entries]
    first, full, rest = len(entries), 0, sum(brief)
    while first:
        longer = full + len(entries[first - 1].tokens)
        rest -= brief[first - 1]
        if longer > budget // 2 and longer + rest > budget:
            break
        first, full = first - 1, longer
    old = [replace(e, full=None) for e in entries[:first] if e.brief is not None]
    while old and sum(len(e.tokens) for e in old) > budget - full:
        half = (len(old) + 1) // 2
        old = old[:half:2] + old[half:] if half > 1 else old[:-1]
    return [*old, *entries[first:]]


class _Buffer:
    """A context with the marks where its passages end."""

    def __init__(self, context: StreamingContext, head: Tokens) -> None:
        self.context = context
        self.head = len(head)
        self.entries: list[Entry] = []
        self.ends: list[int] = []
        self.known: list[float] = []  # the latest time needed for all up to each
        if len(head):
            context.append(head)

    @property
    def length(self) -> int:
        return self.ends[-1] if self.ends else self.head

    def fits(self, tokens: int) -> bool:
        return self.context.length + tokens <= self.context.capacity

    def mark(self, entry: Entry, end: int) -> None:
        """From now on forks see ``entry``, which ends at token ``end``. ``known`` is last:
        what a reader finds there has its end and its entry."""
        self.entries.append(entry)
        self.ends.append(end)
        self.known.append(max(entry.known_at, self.known[-1] if self.known else -math.inf))

    def view(self, as_of: float, more: Mapping[str, Any] | None) -> View:
        count = bisect_right(self.known, as_of)
        spans = []
        start = self.head
        for entry, end in zip(self.entries[:count], self.ends, strict=False):
            spans.append(Span(entry.key, start, end, entry.known_at))
            start = end
        return View(self.context.fork(start, more), tuple(spans))


class RollingContext:
    """The running context of an endless stream.

    One thread appends; any may take forks meanwhile; any one may run :meth:`step`.

    Positions are renumbered at each rebuild, and so stay within the model's range however
    long the stream. Tokens with positions of their own must therefore have relative ones.

    Args:
        make_context: a fresh, empty context; all of them with one gate and one capacity.
        head: what always comes first, such as the system prompt.
        full_at: share of the capacity from which a rebuild is due. What lies above it is
            room for what is appended while the rebuild goes on.
        shrink_to: share of the capacity that is filled after a rebuild. Each token appended
            costs ``shrink_to / (full_at - shrink_to)`` more in rebuilding.

    Raises:
        ContextFull: the head alone does not fit.
    """

    def __init__(
        self,
        make_context: Callable[[], StreamingContext],
        head: Tokens | Sequence[int] = (),
        full_at: float = 0.9,
        shrink_to: float = 0.5,
    ) -> None:
        if not 0 < shrink_to < full_at <= 1:
            raise ValueError("a context must shrink to less than the share at which it is full")
        self._make_context = make_context
        self._head = Tokens.of(head)
        self._full_at = full_at
        self._shrink_to = shrink_to
        self._buffer = _Buffer(make_context(), self._head)
        self._writing = threading.RLock()
        self._rebuild: Iterator[None] | None = None
        self._fresh: list[Entry] = []  # appended since the rebuild began
        self._keys = 0
        self._rebuilds = 0

    @property
    def capacity(self) -> int:
        """The most tokens it holds."""
        return self._buffer.context.capacity

    @property
    def length(self) -> int:
        """Tokens in it now, of whole passages."""
        return self._buffer.length

    @property
    def rebuilds(self) -> int:
        """How many times it was rebuilt."""
        return self._rebuilds

    @property
    def nbytes(self) -> int:
        """Bytes of the cache that answers; a rebuild takes as much again while it lasts."""
        return self._buffer.context.nbytes

    @property
    def rebuild_due(self) -> bool:
        """Whether :meth:`step` has something to do."""
        return self._rebuild is not None or self.length > self._full_at * self.capacity

    def append(
        self,
        full: Tokens | Sequence[int],
        brief: Tokens | Sequence[int] | None,
        known_at: float,
    ) -> int:
        """Extend the context by a passage; forks see it when it is wholly in.

        Where it does not fit, this first finishes a rebuild, in the calling thread.

        Args:
            full: the passage's tokens.
            brief: what stands for it when it is old (may come later, :meth:`shorten`);
                without it the passage goes from the context then.
            known_at: stream time in seconds from which the passage may be used.

        Returns:
            The passage's key.

        Raises:
            ContextFull: neither form fits into an otherwise empty context.
            ValueError: the tokens have positions that are not relative.
        """
        entry = Entry(
            self._keys, known_at, _movable(full), None if brief is None else _movable(brief)
        )
        with self._writing:
            most = int(self._shrink_to * self.capacity) - len(self._head)
            if len(entry.tokens) > most and entry.brief is not None:
                entry = replace(entry, full=None)
            if len(entry.tokens) > self.capacity - len(self._head):
                raise ContextFull(
                    f"a passage of {len(entry.tokens)} tokens does not fit: the context holds "
                    f"{self.capacity}, of which {len(self._head)} are taken by its head"
                )
            self._keys += 1
            torn = self._buffer.context.length != self._buffer.length  # an append broke off
            if torn or not self._buffer.fits(len(entry.tokens)):
                self.rebuild(len(entry.tokens))
            self._buffer.context.append(entry.tokens)
            self._buffer.mark(entry, self._buffer.context.length)
            if self._rebuild is not None:
                self._fresh.append(entry)
            return entry.key

    def shorten(self, key: int, brief: Tokens | Sequence[int] | None) -> None:
        """Give a passage another brief form, such as its note, for the next rebuild; without
        effect once the passage stands in its old one."""
        with self._writing:
            for entry in self._buffer.entries:
                if entry.key == key and entry.full is not None:
                    entry.brief = None if brief is None else _movable(brief)

    def view(self, as_of: float = math.inf, more: Mapping[str, Any] | None = None) -> View:
        """The context as it was known at stream time ``as_of``, by default all of it.

        It ends before the first passage that was not yet wholly known. Passages that have
        been thinned out are missing also here; nothing later than ``as_of`` ever shows.

        Args:
            more: handed to the decoder with each of the fork's passes, as in
                :meth:`StreamingContext.fork`.
        """
        return self._buffer.view(as_of, more)

    def fork(self, as_of: float = math.inf, more: Mapping[str, Any] | None = None) -> Fork:
        """A private continuation of the context as it was known at ``as_of``; ``more`` as in
        :meth:`view`."""
        return self.view(as_of, more).fork

    def step(self) -> bool:
        """Do one chunk of the rebuild that is due.

        Returns:
            Whether more is to be done.
        """
        with self._writing:
            if not self.rebuild_due:
                return False
            under_way, self._rebuild = self._rebuild or self._rebuilding(0), None
            if next(under_way, _DONE) is not _DONE:
                self._rebuild = under_way
            return self._rebuild is not None

    def rebuild(self, room: int = 0) -> None:
        """Rebuild now, to the end: what is under way, else a new one.

        Args:
            room: tokens that must fit afterwards.
        """
        with self._writing:
            under_way, self._rebuild = self._rebuild or self._rebuilding(room), None
            deque(under_way, maxlen=0)
            if not self._buffer.fits(room):
                deque(self._rebuilding(room), maxlen=0)

    def _rebuilding(self, room: int) -> Iterator[None]:
        """A rebuild, in chunks."""
        budget = min(int(self._shrink_to * self.capacity), self.capacity - room) - len(self._head)
        self._fresh = []
        kept = consolidate(self._buffer.entries, budget)
        new = _Buffer(self._make_context(), self._head)
        if new.context.gate is not self._buffer.context.gate:
            raise ValueError("the contexts of one stream must share one gate")
        done = 0
        while done < len(kept):
            group = _joinable(kept[done:], new.context.chunk)
            end = new.context.length
            run = _joined([e.tokens for e in group]).at(new.context.next_position)
            for piece in run.split(new.context.chunk):
                new.context.append(piece)
                yield
            for entry in group:
                end += len(entry.tokens)
                new.mark(entry, end)
            done += len(group)
            kept, self._fresh = [*kept, *self._fresh], []
        self._buffer = new
        self._rebuilds += 1


def _movable(given: Tokens | Sequence[int]) -> Tokens:
    tokens = Tokens.of(given)
    if tokens.positions is not None and not tokens.relative:
        raise ValueError("tokens in a rolling context move: their positions must be relative")
    return tokens


def _joinable(entries: Sequence[Entry], most: int) -> list[Entry]:
    """The first of ``entries``, with those after it that go through the model in one pass of
    at most ``most`` tokens: plain ids without positions of their own."""

    def plain(entry: Entry) -> bool:
        tokens = entry.tokens
        return (
            tokens.ids is not None
            and tokens.positions is None
            and tokens.visual is None
            and tokens.next_position is None
        )

    group, length = [entries[0]], len(entries[0].tokens)
    for entry in entries[1:]:
        length += len(entry.tokens)
        if length > most or not plain(entry) or not plain(group[0]):
            break
        group.append(entry)
    return group


def _joined(runs: Sequence[Tokens]) -> Tokens:
    if len(runs) == 1:
        return runs[0]
    return Tokens(ids=torch.cat([run.ids for run in runs if run.ids is not None]))


_DONE = object()
