"""Standing questions: "tell me when ...", asked again of every new segment.

A question fires at most once per event: once it has fired it must fall quiet before it can
fire again (hysteresis), and no sooner than a cooldown later.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import numpy as np
import snowballstemmer  # type: ignore[import-untyped]

from memory.recall import Embed
from memory.segment import Segment
from memory.words import terms
from models.reasoning.reasoner import Line, Passage
from pipeline.events import Event
from pipeline.evidence import passage
from pipeline.mentions import mentioned

FIRES_AT = 0.6
REARMS_AT = 0.4
"""Likelihood from which a question fires, and below which it may fire again."""

COOLDOWN = 30.0
"""Seconds of stream time between two firings of one question."""

UNRELATED, SAME = 0.25, 0.65
"""Cosines of sentence embeddings taken for likelihood 0 and 1. Of 12 questions against the
lines of the sample clip, what a person calls the same lay above 0.5, the rest below 0.45."""

POLL = 0.2
PATIENCE = 10.0

_REQUEST = re.compile(
    r"(?:please\s+)?(?:can you\s+)?(?:tell|let|notify|alert|warn|remind|inform)\s+me\s+(?:know\s+)?"
    r"(?:when|whenever|if|as soon as|once|every time|each time)\s+(?P<what>.+)",
    re.IGNORECASE | re.DOTALL,
)
_BARE = re.compile(
    r"(?:when|whenever|as soon as|every time)\s+(?!(?:did|does|do|was|is|are|were|will|has|have|had"
    r"|can|could|should|would)\b)(?P<what>.+)",
    re.IGNORECASE | re.DOTALL,
)
_QUOTED = re.compile(
    r"[\"“”«](?P<quoted>[^\"“”»]+)[\"“”»]|\b(?:the\s+)?(?:word|words|name|phrase)\s+"
    r"(?!(?:of|is|for|on|in|are|was)\b)(?P<named>[^,.;!?]+)",
    re.IGNORECASE,
)
_BY_EAR = re.compile(
    r"\b(hear|hears|heard|say|says|said|speak|speaks|mention\w*|talk\w*|ask|asks|call|calls"
    r"|discuss\w*|spoken|word)\b",
    re.IGNORECASE,
)
_BY_READING = re.compile(
    r"\b(read|reads|write|writes|written|text|caption|captions|subtitle\w*|sign|title)\b",
    re.IGNORECASE,
)
_BY_SIGHT = re.compile(
    r"\b(see|sees|seen|look|looks|watch|visible|picture|screen|shown)\b", re.IGNORECASE
)
_PRESENTS = re.compile(
    r"\b(shows?|showing|(?:has|have) shown|here (?:is|are|comes?)|here's|this is|these are|look at"
    r"|(?:you|we) (?:can )?see|in (?:the|this) (?:picture|photograph|photo|image|film|video))\b",
    re.IGNORECASE,
)
_STEMMER = snowballstemmer.stemmer("english")
_LITTLE = (
    "again appear appeared appears come comes discuss discussed enters everybody first heard "
    "hears mentioned mentions name new nobody people person phrase picture read reads said says "
    "screen seen sees somebody speak speaks spoken talking talks text time visible word words "
    "write writes written"
)
_TELLS_LITTLE = frozenset(_LITTLE.split(" "))


@dataclass(frozen=True, slots=True)
class Verdict:
    """How likely it is that a condition holds in a passage, in [0, 1], and by which line."""

    likelihood: float
    line: Line | None = None


Judge = Callable[[str, Passage], Verdict]
"""Whether a condition ("a cat appears") holds in a passage."""


@dataclass(frozen=True, slots=True)
class Firing:
    """A standing question came true.

    Attributes:
        number: of the question.
        question: as it was put.
        time: stream time in seconds at which it came true.
        known_at: stream time from which that was known.
        likelihood: as judged, in [0, 1].
        because: what was heard, read or seen; empty where no single line shows it.
    """

    number: int
    question: str
    time: float
    known_at: float
    likelihood: float
    because: str


def condition(text: str) -> str | None:
    """What is waited for in "tell me when ..." and "when you hear ...", or None of a question."""
    text = " ".join(text.split())
    asked = _REQUEST.fullmatch(text)
    if asked is None and not text.endswith("?"):
        asked = _BARE.fullmatch(text)
    return None if asked is None else asked["what"].rstrip(" .!?") or None


class WordsAndMeaning:
    """Judges by the words of a passage's lines and by their likeness in meaning.

    A condition that names its words ("the word budget", or words in quotes) holds where a
    line has them, and nowhere else. Of any other, a line that has all its words that matter
    holds it, or that has a thing of the kind it names ("a price"); else the cosine of the
    embeddings decides. "Hear" looks at speech alone, "read" and "write" at text, "see" and
    "shown" at text and objects, and at speech that says what is to be seen. A label below the
    engine's confidence floor counts for nothing.
    """

    def __init__(self, embed: Embed) -> None:
        self._embed = embed

    def __call__(self, condition: str, passage: Passage) -> Verdict:
        kinds = _kinds(condition)
        lines = [line for line in passage.lines if line.kind in kinds and line.certain]
        named = _QUOTED.search(condition)
        if named is not None:
            phrase = _stems(named["quoted"] or named["named"])
            found = [line for line in lines if phrase and _holds(_stems(line.text), phrase)]
            return Verdict(1.0, found[0]) if found else Verdict(0.0)
        for line in (*lines, *_shown_in_words(condition, passage)):
            if _tells(condition, line.text):
                return Verdict(1.0, line)
        if not lines:
            return Verdict(0.0)
        vectors = self._embed([condition, *(line.text for line in lines)])
        cosines = vectors[1:] @ vectors[0]
        best = int(np.argmax(cosines))
        likelihood = float(np.clip((cosines[best] - UNRELATED) / (SAME - UNRELATED), 0.0, 1.0))
        return Verdict(likelihood, lines[best])


@dataclass(slots=True)
class _Standing:
    number: int
    question: str
    condition: str
    since: float
    armed: bool = True
    fired_at: float = -math.inf


class StandingQuestions:
    """Questions judged on every new passage. Safe to use from any thread.

    Args:
        judge: says how likely a condition holds in a passage.
        cooldown: seconds of stream time between two firings of one question.
    """

    def __init__(
        self,
        judge: Judge,
        *,
        cooldown: float = COOLDOWN,
        fires_at: float = FIRES_AT,
        rearms_at: float = REARMS_AT,
    ) -> None:
        if not 0 <= rearms_at <= fires_at <= 1:
            raise ValueError(f"need 0 <= rearms_at <= fires_at <= 1, not {rearms_at}, {fires_at}")
        self._judge = judge
        self._cooldown = cooldown
        self._fires_at = fires_at
        self._rearms_at = rearms_at
        self._questions: dict[int, _Standing] = {}
        self._lock = threading.Lock()
        self._last = 0

    def add(self, question: str, since: float = 0.0) -> int:
        """Ask ``question`` of all that comes after stream time ``since``.

        Returns:
            Its number, for :meth:`remove`.

        Raises:
            ValueError: the question is empty.
        """
        question = " ".join(question.split())
        if not question:
            raise ValueError("the standing question is empty: say what to wait for")
        with self._lock:
            self._last += 1
            waited_for = condition(question) or question
            self._questions[self._last] = _Standing(self._last, question, waited_for, since)
            return self._last

    def remove(self, number: int) -> None:
        """Stop asking; a number that is not there is no error."""
        with self._lock:
            self._questions.pop(number, None)

    @property
    def questions(self) -> dict[int, str]:
        """The questions that stand, by number."""
        with self._lock:
            return {each.number: each.question for each in self._questions.values()}

    def take(self, passage: Passage) -> list[Firing]:
        """Judge every question on the next passage; those that fire."""
        with self._lock:
            standing = [each for each in self._questions.values() if passage.end > each.since]
        return [f for each in standing if (f := self._take(each, passage)) is not None]

    def _take(self, each: _Standing, passage: Passage) -> Firing | None:
        if passage.start < each.since:  # it began before the question was put
            new = tuple(line for line in passage.lines if line.end > each.since)
            passage = replace(passage, lines=new)
        verdict = self._judge(each.condition, passage)
        if verdict.likelihood < self._rearms_at:
            each.armed = True
            return None
        if verdict.likelihood < self._fires_at or not each.armed:
            return None
        each.armed = False  # also within the cooldown: what goes on is not a new event
        time = passage.start if verdict.line is None else verdict.line.start
        if time < each.fired_at + self._cooldown:
            return None
        each.fired_at = time
        because = "" if verdict.line is None else verdict.line.text
        return Firing(
            each.number, each.question, time, passage.known_at, verdict.likelihood, because
        )


class StandingWatch:
    """The thread that judges each new segment of a session. Start it with ``with``.

    Args:
        events: the session's events after a number, as ``Session.events``.
        certain_above: confidence from which a label is taken as fact.
        fired: called on this thread with each firing.
    """

    def __init__(
        self,
        questions: StandingQuestions,
        events: Callable[[int, float], Sequence[Event]],
        certain_above: float,
        fired: Callable[[Firing], None],
    ) -> None:
        self._questions = questions
        self._events = events
        self._certain_above = certain_above
        self._fired = fired
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="standing", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Judge what has already happened, then end."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE)

    def _run(self) -> None:
        seen = 0
        while True:
            closing = self._closing.is_set()
            events = self._events(seen, 0.0 if closing else POLL)
            for event in events:
                seen = event.number
                if isinstance(event.what, Segment) and self._questions.questions:
                    for firing in self._questions.take(passage(event.what, self._certain_above)):
                        self._fired(firing)
            if closing:
                return


def _kinds(condition: str) -> frozenset[str]:
    """The kinds of lines that a condition's verbs point to."""
    kinds: set[str] = set()
    if _BY_EAR.search(condition):
        kinds |= {"heard"}
    if _BY_READING.search(condition):
        kinds |= {"read"}
    if _BY_SIGHT.search(condition):
        kinds |= {"read", "seen", "gaze"}
    return frozenset(kinds or {"heard", "read", "seen", "gaze"})


def _shown_in_words(condition: str, passage: Passage) -> list[Line]:
    """Of a condition about what is seen, the speech that presents something to be seen."""
    if not _BY_SIGHT.search(condition) or _BY_EAR.search(condition):
        return []
    return [line for line in passage.lines if line.kind == "heard" and _PRESENTS.search(line.text)]


def _tells(condition: str, text: str) -> bool:
    """Whether ``text`` has all words of ``condition`` that matter, in any form; or, where it
    names a kind of thing, one of that kind and all its other words."""
    words = set(_stems(text))
    wanted = _wanted(condition)
    if wanted and wanted <= words:
        return True
    thing = mentioned(condition)
    if thing is None or not thing[0].said.search(text):
        return False
    return _wanted(thing[1]) <= words


def _wanted(condition: str) -> set[str]:
    return set(_STEMMER.stemWords([w for w in terms(condition) if w not in _TELLS_LITTLE]))


def _stems(text: str) -> list[str]:
    return list(_STEMMER.stemWords(re.findall(r"[^\W_]+", text.lower())))


def _holds(words: list[str], phrase: list[str]) -> bool:
    return any(words[i : i + len(phrase)] == phrase for i in range(len(words)))
