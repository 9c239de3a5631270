"""Questions about gaze, answered from what was looked at.

The kinds are those of StreamGaze (arXiv 2512.01707): what was looked at before or after
something, in which order, what was in view and never looked at, what else was to be seen
meanwhile, what is looked at now and what it is like, what comes next, and the two that stand:
tell me when I look at it, tell me when it appears. A question is understood by its form (who
looked, which relation, to what), whatever thing it names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from models.gaze.history import SAME, Alike, History, InView, LookedAt, alike, likeness

Kind = Literal[
    "before",
    "after",
    "first",
    "order",
    "never",
    "meanwhile",
    "now",
    "attribute",
    "next",
    "times",
    "when",
    "duration",
    "looks",
    "appears",
]


@dataclass(frozen=True, slots=True)
class GazeQuestion:
    """A question as it was understood.

    Attributes:
        kind: the relation asked for.
        thing: what it is about; empty where the question names none.
        negated: asks what does not hold ("was not visible").
    """

    kind: Kind
    thing: str = ""
    negated: bool = False


@dataclass(frozen=True, slots=True)
class GazeAnswer:
    """What the records say.

    Attributes:
        text: in a few words.
        looks: what it rests on.
        certain: False where names were guesses.
    """

    text: str
    looks: tuple[LookedAt, ...] = ()
    certain: bool = True


_GAZE = (
    r"(?:look(?:s|ed|ing)?(?!\s+(?:like|for|after|up|forward|alike))|gaz(?:e|es|ed|ing)|stare[sd]?|staring|fixat(?:e|es|ed|ing|ions?)"
    r"|focus(?:e[sd]|s|ing)?|glance[sd]?|glancing|eyes? (?:was|were|is|are|on))"
)
_AT = r"(?:\s+(?:at|on|upon|towards?|over|to|into))?"
_NO = r"(?:never|not|n['’]t|without)"
_THING = r"(?P<thing><[^>]+>|[^?.,;!]+)"
_END = re.compile(
    r"\s+(?:and\s+|then\s+)?(?:right\s+)?(?:now|yet|today|so far|next|first|again|before that"
    r"|for the first time|at any (?:time|point)|in (?:this|the) (?:video|scene|stream))$"
)
_SUBJECT = r"(?:i|you|we|he|she|they|(?:the\s+|a\s+)?(?:user|person|wearer|viewer|man|woman))"
_WAIT = re.compile(
    r"\b(?:tell|alert|notify|warn|remind|inform|let|ping)\b.*?\b(?:when|whenever|once|if|as soon as"
    r"|every time|each time)\s+(?P<what>.+)"
)
_SEEN = re.compile(rf"\b(?:you\s+(?:can\s+)?see|there\s+(?:is|are))\s+{_THING}$")
_APPEARS = re.compile(
    rf"{_THING}\s+(?:(?:first|next)\s+)?(?:appears?|shows?\s+up|comes?\s+into\s+(?:view|sight)"
    r"|(?:is|are|becomes?)\s+(?:in\s+view|visible|there))\b"
)


def understand(question: str) -> GazeQuestion | None:
    """The question's kind and thing, or None where it is not about gaze.

    A question of what "this" or "that" is, with nothing else named, is taken as pointed by
    the gaze.
    """
    text = " ".join(re.sub(r"[\"“”]", "", question).lower().split()).rstrip(" ?.!")
    waited = _WAIT.search(text)
    if waited is not None:
        return _standing(waited["what"])
    gaze = re.search(rf"\b{_GAZE}\b", text)
    if gaze is None:
        return _pointed(text)
    return _asked(text)


def _standing(what: str) -> GazeQuestion | None:
    looks = re.search(rf"\b{_GAZE}{_AT}\s+{_THING}", what)
    if looks is not None:
        return GazeQuestion("looks", _name(looks["thing"]))
    appears = _SEEN.search(what) or _APPEARS.search(what)
    if appears is not None:
        return GazeQuestion("appears", _name(appears["thing"]))
    return None


def _pointed(text: str) -> GazeQuestion | None:
    if not re.search(
        r"\b(?:this|that|these|those)\b(?!\s+(?:video|scene|stream|time|moment))", text
    ):
        return None
    if re.search(r"\b(?:is|are)\s+(?:this|that|these|those)$", text) and re.match(
        r"(?:what|who)(?:\s+(?:object|thing|item))?\s+(?:is|are)\b|what'?s\b", text
    ):
        return GazeQuestion("now")
    return GazeQuestion("attribute", _asked_attribute(text)) if _asked_attribute(text) else None


def _asked_attribute(text: str) -> str:
    found = re.search(
        r"\b(colou?r|text|word|words|shape|material|size|state|pattern|label|brand)\b"
        r"|\b(say|says|read|written)\b",
        text,
    )
    if found is None:
        return ""
    word = found[1] or "text"
    if word in {"word", "words", "label", "brand"}:
        return "text"
    return "colour" if word in {"color", "colour"} else word


def _asked(text: str) -> GazeQuestion | None:
    meanwhile = re.search(rf"\b(?:when|while)\b.*?\b{_GAZE}{_AT}\s+{_THING}", text)
    if meanwhile is not None and re.search(
        r"\b(?:visible|in view|in the background|background|to be seen|also (?:there|see))\b", text
    ):
        return GazeQuestion(
            "meanwhile", _name(meanwhile["thing"]), bool(re.search(rf"\b{_NO}\b|n['’]t\b", text))
        )
    if re.search(r"\b(?:never|not)\b|n['’]t\b|\bwithout\b|\bmiss(?:ed)?\b", text):
        return GazeQuestion("never")
    related = re.search(
        rf"\b(?P<how>before|after|following|prior to)\s+(?:{_SUBJECT}\s+)?"
        rf"(?:(?:was|were|is|had|has|have)\s+)?(?:(?:last|first)\s+)?"
        rf"(?:{_GAZE}{_AT}\s+)?{_THING}",
        text,
    )
    if related is not None and _name(related["thing"]) not in {"", "that", "this"}:
        kind: Kind = "before" if related["how"] in {"before", "prior to"} else "after"
        return GazeQuestion(kind, _name(related["thing"]))
    named = re.search(rf"\b{_GAZE}{_AT}\s+{_THING}", text)
    thing = _name(named["thing"]) if named is not None else ""
    if thing and re.match(rf"(?:did|do|does|have|has|was|were|am|is)\s+{_SUBJECT}\b", text):
        return GazeQuestion("looks", thing)
    if re.match(r"how\s+(?:many\s+times|often)\b", text):
        return GazeQuestion("times", thing)
    if re.match(r"how\s+long\b", text):
        return GazeQuestion("duration", thing)
    if re.match(r"when\b|at what time\b", text) and thing:
        return GazeQuestion("when", thing)
    if re.search(r"\b(?:sequence|order|transition|pattern|path|one after)\b", text):
        ahead = re.search(r"\b(?:will|going to|next)\b", text)
        return GazeQuestion("next" if ahead else "order")
    if re.search(r"\b(?:will|going to)\b|\bnext$", text):
        return GazeQuestion("next")
    if re.search(r"\bfirst\b", text):
        return GazeQuestion("first")
    current = re.search(r"\b(?:am|is|are|currently|now)\b", text)
    attribute = _asked_attribute(text)
    if current is not None and attribute:
        return GazeQuestion("attribute", attribute)
    return GazeQuestion("now" if current is not None else "order")


def _name(thing: str) -> str:
    name = re.sub(r"^(?:the|a|an|my|any|some)\s+", "", thing.strip(" <>'").strip())
    before = None
    while name != before:
        before, name = name, _END.sub("", name).strip(" <>'")
    return name


def answer(
    question: GazeQuestion, history: History, time: float, compare: Alike = alike
) -> GazeAnswer | None:
    """The answer at stream ``time`` in a few words; None where the records hold none.

    A standing question is answered by whether it has come true.
    """
    known = history.as_of(time)
    stays = known.stays()
    thing = question.thing
    match question.kind:
        case "before" | "after":
            found = _beside(stays, thing, 1 if question.kind == "after" else -1, compare)
            return None if not found else _told(found[-1])
        case "first":
            return _told(stays[0]) if stays else None
        case "now":
            now = current(history, time)
            return None if now is None else _told(now)
        case "attribute":
            return _attribute(history, time, thing)
        case "next":
            expected = _expected(stays)
            return GazeAnswer(expected[0][0], stays[-1:], False) if expected else None
        case "order":
            if not stays:
                return None
            return GazeAnswer(", then ".join(_first(s) for s in stays), stays, _sure(stays))
        case "never":
            names = known.never_looked_at(compare)
            return GazeAnswer(", ".join(names)) if names else None
        case "meanwhile":
            during = [s for s in stays if likeness(s, thing, compare) >= SAME]
            names = tuple(dict.fromkeys(n for s in during for n in _around(known, s)))
            return GazeAnswer(", ".join(names), tuple(during)) if names else None
        case "times" | "when" | "duration":
            return _counted(question, stays, compare)
        case "looks" | "appears":
            seen = likelihood_of_event(question, known, compare)
            return GazeAnswer("yes" if seen >= SAME else "no")


def likelihoods(
    question: GazeQuestion,
    options: Sequence[str],
    history: History,
    time: float,
    compare: Alike = alike,
) -> list[float] | None:
    """How well each option fits, summing to 1; None where the records do not tell them apart.

    Options may be things or sequences of things ("A -> B -> C").
    """
    known = history.as_of(time)
    scores = [_fit(question, _clean(option), known, history, time, compare) for option in options]
    if not scores or max(scores) - min(scores) < 1e-9:
        return None
    sharp = [(0.02 + max(0.0, score)) ** 2 for score in scores]
    return [each / sum(sharp) for each in sharp]


def likelihood_of_event(question: GazeQuestion, history: History, compare: Alike = alike) -> float:
    """How likely what a standing question waits for has happened, in [0, 1]."""
    if question.kind == "looks":
        return max((likeness(look, question.thing, compare) for look in history.looks), default=0.0)
    return max((compare(view.name, question.thing) for view in history.views), default=0.0)


def event_likelihood(
    question: GazeQuestion, event: LookedAt | InView, compare: Alike = alike
) -> float:
    """How likely one new record is what a standing question waits for."""
    if isinstance(event, LookedAt):
        history = History((event,))
        return likelihood_of_event(question, history, compare) if question.kind == "looks" else 0.0
    return compare(event.name, question.thing) if question.kind == "appears" else 0.0


def current(history: History, time: float) -> LookedAt | None:
    """What is looked at at stream ``time``: the look that covers it, or the last one known."""
    begun = History(tuple(look for look in history.looks if look.start <= time))
    return next(iter(begun.stays()[-1:]), None)


def _fit(
    question: GazeQuestion,
    option: str,
    known: History,
    history: History,
    time: float,
    compare: Alike,
) -> float:
    stays = known.stays()
    steps = [step for step in re.split(r"\s*(?:→|->|=>|,? then |, | to )\s*", option) if step]
    ever = max((likeness(s, option, compare) for s in stays), default=0.0)
    match question.kind:
        case "before" | "after":
            found = _beside(stays, question.thing, 1 if question.kind == "after" else -1, compare)
            best = max((likeness(s, option, compare) for s in found), default=0.0)
            return best + 0.1 * ever
        case "order":
            return _sequence_fit(stays, steps, compare)
        case "never":
            seen = max((compare(v.name, option) for v in known.views), default=0.0)
            return (1 - ever) * (1 + 0.2 * seen)
        case "meanwhile":
            during = [s for s in stays if likeness(s, question.thing, compare) >= SAME]
            names = [n for s in during for n in _around(known, s)]
            seen = max((compare(n, option) for n in names), default=0.0)
            if not during:
                return 0.0
            return 1 - seen if question.negated else seen
        case "first":
            return likeness(stays[0], option, compare) if stays else 0.0
        case "now":
            now = current(history, time)
            return 0.0 if now is None else likeness(now, option, compare)
        case "attribute":
            now = current(history, time)
            names = [] if now is None else [*now.attributes, *now.called]
            return max((compare(name, option) for name in names), default=0.0)
        case "next":
            expected = _expected(stays)
            return max((share * compare(n, option) for n, share in expected), default=0.0)
        case "looks" | "appears":
            happened = likelihood_of_event(question, known, compare) >= SAME
            return float(happened == bool(re.match(r"yes|true", option)))
        case _:
            counted = _counted(question, stays, compare)
            return 0.0 if counted is None else compare(counted.text, option)


def _beside(stays: Sequence[LookedAt], thing: str, step: int, compare: Alike) -> list[LookedAt]:
    """The stays next to each of those on ``thing``, in time order."""
    found = []
    for place, stay in enumerate(stays):
        if likeness(stay, thing, compare) >= SAME and 0 <= place + step < len(stays):
            other = stays[place + step]
            if likeness(other, thing, compare) < SAME:
                found.append(other)
    return found


def _sequence_fit(stays: Sequence[LookedAt], steps: Sequence[str], compare: Alike) -> float:
    """Share of an option's steps, and of its transitions, that the looks went through."""
    if not steps:
        return 0.0
    best = [[0.0] * (len(steps) + 1) for _ in range(len(stays) + 1)]
    for i, stay in enumerate(stays, 1):
        for j, step in enumerate(steps, 1):
            same = likeness(stay, step, compare)
            best[i][j] = max(best[i - 1][j], best[i][j - 1], best[i - 1][j - 1] + same)
    in_order = best[-1][-1] / len(steps)
    pairs = list(pairwise(steps))
    moved = sum(
        max(
            (
                min(likeness(a, one, compare), likeness(b, other, compare))
                for a, b in pairwise(stays)
            ),
            default=0.0,
        )
        for one, other in pairs
    )
    return in_order if not pairs else 0.5 * in_order + 0.5 * moved / len(pairs)


def _expected(stays: Sequence[LookedAt]) -> list[tuple[str, float]]:
    """What followed the longest recent run of looks like the last ones, with its share."""
    names = [_first(stay) for stay in stays]
    for length in (3, 2, 1):
        if len(names) <= length:
            continue
        recent = names[-length:]
        follow = Counter(
            names[i + length]
            for i in range(len(names) - length)
            if all(alike(a, b) >= SAME for a, b in zip(names[i : i + length], recent, strict=True))
        )
        if follow:
            total = sum(follow.values())
            return [(name, count / total) for name, count in follow.most_common()]
    return []


def _around(known: History, stay: LookedAt, margin: float = 0.5) -> tuple[str, ...]:
    """What else was in view during a stay, give or take ``margin`` seconds."""
    names = known.in_view(stay.start - margin, stay.end + margin)
    return tuple(name for name in names if likeness(stay, name) < SAME)


def _attribute(history: History, time: float, wanted: str) -> GazeAnswer | None:
    now = current(history, time)
    if now is None:
        return None
    if wanted == "text":
        return GazeAnswer(now.texts[0], (now,)) if now.texts else None
    if wanted == "colour" and now.attributes:
        return GazeAnswer(now.attributes[0], (now,), now.certain)
    return None


def _counted(
    question: GazeQuestion, stays: Sequence[LookedAt], compare: Alike
) -> GazeAnswer | None:
    found = tuple(s for s in stays if likeness(s, question.thing, compare) >= SAME)
    if question.kind == "times":
        return GazeAnswer(f"{len(found)} time{'' if len(found) == 1 else 's'}", found, _sure(found))
    if not found:
        return None
    if question.kind == "duration":
        seconds = sum(stay.end - stay.start for stay in found)
        return GazeAnswer(f"{seconds:.1f} seconds", found, _sure(found))
    times = ", ".join(f"{int(s.start) // 60}:{int(s.start) % 60:02d}" for s in found)
    return GazeAnswer(f"at {times}", found, _sure(found))


def _first(stay: LookedAt) -> str:
    return stay.called[0]


def _sure(stays: Sequence[LookedAt]) -> bool:
    return all(stay.known for stay in stays)


def _told(stay: LookedAt) -> GazeAnswer:
    return GazeAnswer(_first(stay), (stay,), stay.known)


def _clean(option: str) -> str:
    """An option without its letter ("A. cup") and final stop."""
    return re.sub(r"^\(?[a-zA-Z][.):]\s+", "", option.strip()).strip(" .").lower()
