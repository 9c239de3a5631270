"""Time expressions in a question: "in the last minute", "at 1:05", "before the phone rang".

Clock times ("1:05") and "minute 3" are stream times; "last", "ago" and "now" count back
from the question; "the beginning" is the start of what was watched. In a session that knows
when it watched, "at 10:42" is what the clock on the wall showed, if it showed that while it
watched; the latest time where it did so on several days and the question names none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from memory.wall_clock import DAY, WallClock

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
_HALF = r"\s*(a\.?m\b\.?|p\.?m\b\.?|o['’]?clock\b)"
_HOUR = rf"(?:(\d{{1,2}}):(\d{{2}})(?::(\d{{2}}))?(?:{_HALF})?(?![\d:])|(\d{{1,2}}){_HALF})"
# Each: a pattern, and the moments in its groups, ``(from, to)`` of each, to a window.
_BY_THE_CLOCK: tuple[tuple[str, Callable[[list[Window], float, float], Window]], ...] = (
    (
        rf"\b(?:between|from)\s+{_HOUR}\s+(?:and|to|until|till)\s+{_HOUR}",
        lambda m, _, __: (m[0][0], m[1][0]),
    ),
    (rf"\b(?:before|until|till|up to)\s+{_HOUR}", lambda m, start, _: (start, m[0][0])),
    (rf"\b(?:after|since)\s+{_HOUR}", lambda m, _, now: (m[0][0], now)),
    (
        rf"\b(?:around|about|near|at\s+(?:about|around))\s+{_HOUR}",
        lambda m, _, __: (m[0][0] - 60.0, m[0][1] + 60.0),
    ),
    (rf"\b(?:at|in)\s+{_HOUR}", lambda m, _, __: m[0]),
)
_YESTERDAY = re.compile(r"\byesterday\b", re.IGNORECASE)

_NOT_EVENTS = re.compile(r"(?:that|this|it|then|now)\W*$", re.IGNORECASE)


def parse(
    question: str, time: float, start: float = 0.0, wall: WallClock | None = None
) -> TimeExpression:
    """What ``question``, put at stream ``time``, says of time; the stream began at ``start``.

    Args:
        wall: what clocks showed meanwhile, where that is known.
    """
    if wall is not None and (said := _by_the_clock(question, time, start, wall)) is not None:
        return said
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


def _by_the_clock(
    question: str, time: float, start: float, wall: WallClock
) -> TimeExpression | None:
    """What the question says of the time of day, where that was watched."""
    for pattern, window in _BY_THE_CLOCK:
        match = re.search(pattern, question, re.IGNORECASE)
        if match is None:
            continue
        yesterday = _YESTERDAY.search(question)
        groups = match.groups()
        moments = [
            _moment(groups[place : place + 6], time, start, wall, yesterday is not None)
            for place in range(0, len(groups), 6)
        ]
        if None in moments:
            return None
        low, high = sorted(window([m for m in moments if m is not None], start, time))
        rest = _without(question, match)
        if yesterday is not None:
            rest = " ".join(_YESTERDAY.sub(" ", rest).split())
        return TimeExpression(rest, match.group(), max(low, start), min(high, time))
    return None


def _moment(
    groups: tuple[str | None, ...], time: float, start: float, wall: WallClock, yesterday: bool
) -> Window | None:
    """The stream seconds for which a clock showed what the six ``groups`` of an hour say."""
    hour, minute, second, half, full, half_of_full = groups
    half = (half or half_of_full or "").lower().replace(".", "")
    hours, minutes, seconds = int(hour or full or 0), int(minute or 0), int(second or 0)
    if hours > 23 or minutes > 59 or seconds > 59 or (half in {"am", "pm"} and hours > 12):
        return None
    length = 4.0 if second else 60.0
    of_day = 3600.0 * hours + 60.0 * minutes + seconds - (2.0 if second else 0.0)
    if half in {"am", "pm"}:
        candidates = [of_day % (DAY / 2) + (DAY / 2 if half == "pm" else 0.0)]
    else:
        candidates = [of_day, of_day + DAY / 2] if hours < 12 else [of_day]
    midnight = wall.local(time) // DAY * DAY
    for candidate in candidates:
        shown = wall.times(candidate, start - length, time)
        if yesterday:
            shown = [t for t in shown if midnight - DAY <= wall.local(t) < midnight]
        if shown:
            return shown[-1], shown[-1] + length
    return None
