"""The timeline in words for a terminal, and as JSON for a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from memory.codec import fields_of
from memory.segment import (
    Fixation,
    Gap,
    Look,
    Note,
    SceneChange,
    ScreenText,
    SeenObject,
    Segment,
    Utterance,
)
from models.reasoning.reasoner import Passage
from pipeline.answer import Answer
from pipeline.events import Happening, Remark

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""By which the options of a question are named."""


def clock(seconds: float) -> str:
    """Stream seconds as ``m:ss.t``, or ``h:mm:ss`` from an hour on."""
    tenths = round(max(0.0, seconds) * 10)
    minutes, rest = divmod(tenths, 600)
    if minutes >= 60:
        return f"{minutes // 60}:{minutes % 60:02}:{rest // 10:02}"
    return f"{minutes}:{rest // 10:02}.{rest % 10}"


class Teller:
    """Tells happenings in words, leaving out what would only repeat itself.

    Args:
        certain_above: confidence from which a label is told as fact.
        source: whose they are, where there are several.
    """

    def __init__(self, certain_above: float, source: str = "") -> None:
        self._certain_above = certain_above
        self._source = source
        self._seen: frozenset[str] = frozenset()

    def line(self, what: Happening) -> str | None:
        """One line, or None for what needs no telling."""
        line = self._line(what)
        if line is None or not self._source:
            return line
        time, gap, rest = line.partition("  ")
        return f"{time}{gap}{self._source}: {rest}"

    def _line(self, what: Happening) -> str | None:
        match what:
            case Utterance(start=start, text=text):
                return f"{clock(start)}  heard    {text}"
            case ScreenText(time=time, text=text):
                return f"{clock(time)}  read     {text}"
            case SeenObject(time=time, label=label, confidence=confidence):
                return self._seen_line(time, label, confidence)
            case SceneChange(time=time):
                self._seen = frozenset()
                return f"{clock(time)}  scene    a new scene"
            case Fixation(start=start, target=target):
                return f"{clock(start)}  gaze     {target}" if target else None
            case Gap(start=start, reason=reason):
                return f"{clock(start)}  gap      {reason}"
            case Segment(index=index, start=start, end=end, closed_by=why):
                return f"{clock(end)}  segment  {index}: {clock(start)} to {clock(end)} ({why})"
            case Note(start=start, text=text):
                return f"{clock(start)}  note     {text}"
            case Remark(time=time, kind=kind, text=text):
                return f"{clock(time)}  {kind:<7}  {text}"
        return None

    def _seen_line(self, time: float, label: str, confidence: float) -> str | None:
        if label in self._seen or confidence < self._certain_above / 2:
            return None
        self._seen |= {label}
        doubt = "" if confidence >= self._certain_above else "perhaps "
        return f"{clock(time)}  seen     {doubt}{label} ({confidence:.0%})"


_KINDS: dict[type, str] = {
    Utterance: "speech",
    ScreenText: "text",
    SeenObject: "object",
    SceneChange: "scene",
    Look: "look",
    Fixation: "gaze",
    Gap: "gap",
    Segment: "segment",
    Note: "note",
}


def record(what: Happening, source: str = "") -> dict[str, object]:
    """A happening as JSON values; ``kind`` says which it is, times are stream seconds, and
    ``source``, where there are several, whose it is."""
    whose = {"source": source} if source else {}
    if isinstance(what, Remark):
        return {"kind": what.kind, "time": what.time, "text": what.text, **whose}
    kind = {"kind": _KINDS[type(what)], **whose}
    if isinstance(what, Segment):
        return {
            **kind,
            "index": what.index,
            "start": what.start,
            "end": what.end,
            "closed_by": what.closed_by,
            "source": what.source,
            "observations": len(what.observations),
        }
    return {**kind, **(asdict(what) if isinstance(what, Note) else fields_of(what))}


def evidence(passages: Sequence[Passage]) -> list[dict[str, object]]:
    """What was put before the reasoner: segment times with what was seen and heard."""
    return [
        {
            **({"source": p.source} if p.source else {}),
            "start": p.start,
            "end": p.end,
            "lines": [asdict(line) for line in p.lines],
        }
        for p in passages
    ]


def cost(answer: Answer) -> str:
    """What an answer cost, in one line."""
    counts, timings = answer.counts, answer.timings
    parts = [
        f"first token after {timings.first_token:.2f} s",
        f"{timings.total:.2f} s in all",
        f"tokens: {counts.fast} fast, {counts.slow} slow, {counts.text} text, "
        f"{counts.generated} generated",
    ]
    if timings.tokens_per_second:
        parts.append(f"{timings.tokens_per_second:.0f} tokens/s")
    return "; ".join(parts)
