"""What the page is told, as JSON values: events, segments, answers, firings."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import asdict

from app.timeline import LETTERS, clock, evidence
from memory.memory import Memory
from memory.segment import Segment
from memory.timeline import Node
from pipeline.answer import Answer
from pipeline.evidence import passage
from pipeline.standing import Firing

MOST_EPISODES = 300
"""Of a stretch: where there are more, its days are shown."""

TAIL = 40
"""Segments shown of what is part of no episode yet, from far."""

LEAST_SHARE = 1 / 500
"""Of the stretch shown: shorter gaps cannot be seen, but those of a minute are shown."""


def segments_between(
    memory: Memory, start: float, end: float, most: int
) -> tuple[list[Segment], int]:
    """Segments that touch stream time ``start`` to ``end``, without thumbnails and features.

    Returns:
        At most ``most`` of them, evenly chosen, and how many there are.
    """

    def starts(index: int) -> float:
        found = memory.segments(since_index=index, limit=1, media=False)
        return found[0].start if found else float("inf")

    indices = range(memory.next_index)
    first = max(0, bisect_right(indices, start, key=starts) - 1)
    last = bisect_left(indices, end, key=starts)
    count = max(0, last - first)
    if count <= most:
        return memory.segments(since_index=first, limit=count, media=False) if count else [], count
    chosen: list[Segment] = []
    for place in range(most):
        index = first + place * count // most
        chosen.extend(memory.segments(since_index=index, limit=1, media=False))
    return chosen, count


def stretch(
    memory: Memory, start: float, end: float, most: int, certain_above: float
) -> dict[str, object]:
    """What the timeline shows of stream time ``start`` to ``end``.

    Returns:
        ``segments``: each of them, where there are at most ``most``; else of those that are
        part of no episode yet, some, evenly chosen. ``level`` says in what the rest is to be
        shown: 0 segments, 1 ``episodes``, 2 ``days`` and the ``episodes`` in none. ``count`` is
        that of all segments, and ``gaps`` are when the source was away.
    """
    segments, count = segments_between(memory, start, end, most)
    nodes = [node for node in memory.timeline(None, (1, 2), start) if node.start < end]
    days = [node for node in nodes if node.level == 2]
    episodes = [node for node in nodes if node.level == 1]
    level, shortest = 0, 0.0
    if count > most and episodes:
        level = 1 if len(episodes) <= MOST_EPISODES else 2
        if level == 2:
            gathered = max((day.last for day in days), default=-1)
            episodes = [node for node in episodes if node.first > gathered]
        until = max(node.end for node in nodes)
        segments, _ = segments_between(memory, max(start, until), end, TAIL)
        segments = [each for each in segments if each.start >= until]
        shortest = min(LEAST_SHARE * (end - start), 60.0)
    gaps = memory.gaps(start, end, shortest)
    return {
        "count": count,
        "level": level,
        "segments": [segment(each, certain_above) for each in segments],
        "episodes": [asdict(node) for node in episodes[-MOST_EPISODES:] if not _empty(node)],
        "days": [asdict(node) for node in days],
        "gaps": [asdict(gap) for gap in gaps[-most:]],
    }


def _empty(node: Node) -> bool:
    """Whether there is nothing to show of ``node``: the source was away."""
    kept = node.utterances + node.texts + node.objects + node.fixations
    return not kept and node.picture is None


def segment(what: Segment, certain_above: float) -> dict[str, object]:
    """A segment as the timeline shows it: its lines in words, and its note."""
    told = {
        (line.kind, line.text): asdict(line)
        for line in reversed(passage(what, certain_above).lines)
        if line.kind in {"heard", "read", "seen", "gaze", "gap"}
    }
    lines = sorted(told.values(), key=lambda line: line["start"])  # each once, where it began
    note = "" if what.note is None else what.note.text
    if any(line["text"] in note for line in lines if line["kind"] in {"heard", "read"}):
        note = ""  # it says what the lines say already
    return {
        "index": what.index,
        "start": what.start,
        "end": what.end,
        "closed_by": what.closed_by,
        "level": what.level,
        "lines": lines,
        "note": note or None,
    }


def answer(of: Answer) -> dict[str, object]:
    """A finished answer with what it rests on and what it cost, as ``ask --json`` gives it."""
    shares = dict(zip(LETTERS, of.probabilities, strict=False))
    return {
        "answer": of.text,
        "choice": None if of.choice is None else LETTERS[of.choice],
        "probabilities": shares or None,
        "time": of.time,
        "spans": [list(span) for span in of.spans],
        "evidence": evidence(of.passages),
        "support": [asdict(line) for line in of.support],
        "timings": asdict(of.timings),
        "counts": asdict(of.counts),
        "cancelled": of.cancelled,
    }


def firing(of: Firing, session: str = "") -> dict[str, object]:
    """A firing, as the page and a webhook are told it."""
    told = {**asdict(of), "likelihood": round(of.likelihood, 3)}
    return {**told, "session": session} if session else told


def time_link(seconds: float) -> str:
    """A stream time as a Markdown link that the page turns into a jump."""
    return f"[{clock(seconds)}](#t={seconds:.1f})"
