"""Time expressions in a question: "in the last minute", "at 1:05", "before the phone rang".

Clock times ("1:05") and "minute 3" are stream times; "last", "ago" and "now" count back
from the question; "the beginning" is the start of what was watched.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

_NUMBERS = {
    "a": 1.0, "an": 1.0, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0,
    "six": 6.0, "seven": 7.0, "eight": 8.0, "nine": 9.0, "ten": 10.0, "fifteen": 15.0,
    "twenty": 20.0, "thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0, "half a": 0.5,
    "half an": 0.5, "couple of": 2.0, "a couple of": 2.0, "few": 4.0, "a few": 4.0,
}  # fmt: skip
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

_UNIT = r"(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?)\b"
_WORD = "|".join(sorted(_NUMBERS, key=len, reverse=True))
_COUNT = rf"(\d+(?:\.\d+)?|(?:{_WORD})\b)"
_CLOCK = r"(\d{1,3}:\d{2}(?::\d{2})?)(?!\d)"
_AMOUNT = rf"{_COUNT}\s*{_UNIT}"
_POINT = rf"(?:{_CLOCK}|{_AMOUNT}(?!\s+(?:ago|before|after)))"


@dataclass(frozen=True, slots=True)
class TimeExpression:
    """What a question says of time.

    Attributes:
        rest: the question without the words that spoke of time.
        phrase: those words, as put; empty where there were none.
        start, end: stream seconds the answer lies between, or None.
        order: the answer is the ``"first"`` or the ``"last"`` of its kind, or None.
        relation: the answer lies ``"before"`` or ``"after"`` the event ``anchor``, or None.
        anchor: that event in words, empty where there is none.
    """

    rest: str
    phrase: str = ""
    start: float | None = None
    end: float | None = None
    order: Literal["first", "last"] | None = None
    relation: Literal["before", "after"] | None = None
    anchor: str = ""


def _clock(text: str) -> float:
    seconds = 0.0
    for part in text.split(":"):
        seconds = seconds * 60 + int(part)
    return seconds


def _amount(count: str | None, unit: str) -> float:
    text = "one" if count is None else " ".join(count.lower().split())
    number = _NUMBERS[text] if text in _NUMBERS else float(text)
    return number * _UNITS[unit[0].lower()]


def _point(clock: str | None, count: str | None, unit: str | None) -> float:
    return _clock(clock) if clock is not None else _amount(count, unit or "s")


Window = tuple[float, float]
_Rule = tuple[str, Callable[[tuple[str | None, ...], float, float], Window]]


def _ago(groups: tuple[str | None, ...], now: float) -> Window:
    back = _amount(groups[0], groups[1] or "s")
    around = max(5.0, 0.25 * back)
    return now - back - around, now - back + around


def _opening(start: float, now: float) -> Window:
    return start, start + min(60.0, max(10.0, 0.1 * (now - start)))


def _closing(start: float, now: float) -> Window:
    return now - min(60.0, max(10.0, 0.1 * (now - start))), now


# Each: a pattern; its groups, the stream's start and the question's time to a window. The first
# that matches holds.
_RULES: tuple[_Rule, ...] = (
    (
        rf"\b(?:between|from)\s+{_POINT}\s+(?:and|to|until|till)\s+{_POINT}",
        lambda g, _, __: (_point(*g[:3]), _point(*g[3:6])),
    ),
    (rf"\b{_AMOUNT}\s+ago\b", lambda g, _, now: _ago(g, now)),
    (
        rf"\b(?:(?:in|during|over|within|for)\s+)?the\s+(?:very\s+)?(?:last|past)\s+"
        rf"(?:{_COUNT}\s*)?{_UNIT}",
        lambda g, _, now: (now - _amount(g[0], g[1] or "s"), now),
    ),
    (
        rf"\b(?:(?:in|during|over|within|for)\s+)?the\s+(?:very\s+)?first\s+"
        rf"(?:{_COUNT}\s*)?{_UNIT}",
        lambda g, start, _: (start, start + _amount(g[0], g[1] or "s")),
    ),
    (
        r"\b(?:at|around|about|near|in|during)\s+(?:the\s+)?minute\s+(\d+)\b",
        lambda g, _, __: (60.0 * float(g[0] or 0) - 60.0, 60.0 * float(g[0] or 0) + 60.0),
    ),
    (
        rf"\b(?:at|around|about|near)\s+(?:about\s+|around\s+)?{_POINT}",
        lambda g, _, __: (_point(*g[:3]) - 2.0, _point(*g[:3]) + 2.0),
    ),
    (rf"\b(?:before|until|till|up to)\s+{_CLOCK}", lambda g, s, _: (s, _clock(g[0] or "0:00"))),
    (rf"\b(?:after|since)\s+{_CLOCK}", lambda g, _, now: (_clock(g[0] or "0:00"), now)),
    (
        r"\b(?:at|in|near|from)\s+the\s+(?:very\s+)?(?:beginning|start|outset)\b"
        r"(?:\s+of\s+the\s+(?:video|stream|clip|recording|day))?",
        lambda _, start, now: _opening(start, now),
    ),
    (
        r"\b(?:at|near|towards?)\s+the\s+(?:very\s+)?end\b"
        r"(?:\s+of\s+the\s+(?:video|stream|clip|recording|day))?",
        lambda _, start, now: _closing(start, now),
    ),
    (
        r"\b(?:just\s+now|right\s+now|a\s+moment\s+ago|at\s+the\s+moment|at\s+present|currently)\b",
        lambda _, __, now: (now - 15.0, now),
    ),
)

_ORDER = re.compile(
    r"\b(?:the\s+)?(?:very\s+)?(first|last)\s+"
    r"(?=to\b|(?:\w+\s+)?(?:thing|words?|sentences?|text|person|object|sign|event|time)\b)",
    re.IGNORECASE,
)
_RELATION = re.compile(
    r"\b(?:(?:just|right|shortly|immediately|soon)\s+)?(before|after)\s+(?P<anchor>\w[^?.!]{2,})",
    re.IGNORECASE,
)
_NOT_EVENTS = re.compile(r"(?:that|this|it|then|now)\W*$", re.IGNORECASE)


def parse(question: str, time: float, start: float = 0.0) -> TimeExpression:
    """What ``question``, put at stream ``time``, says of time; the stream began at ``start``."""
    for pattern, window in _RULES:
        match = re.search(pattern, question, re.IGNORECASE)
        if match is not None:
            low, high = sorted(window(match.groups(), start, time))
            return TimeExpression(
                _without(question, match), match.group(), max(low, start), min(high, time)
            )
    match = _ORDER.search(question)
    if match is not None:
        order: Literal["first", "last"] = "first" if match[1].lower() == "first" else "last"
        return TimeExpression(_without(question, match), match.group().strip(), order=order)
    match = _RELATION.search(question)
    if match is not None and not _NOT_EVENTS.match(match["anchor"]):
        relation: Literal["before", "after"] = "before" if match[1].lower() == "before" else "after"
        anchor = match["anchor"].strip()
        return TimeExpression(
            _without(question, match), match.group().strip(), relation=relation, anchor=anchor
        )
    return TimeExpression(question)


def _without(question: str, match: re.Match[str]) -> str:
    return " ".join((question[: match.start()] + " " + question[match.end() :]).split())
