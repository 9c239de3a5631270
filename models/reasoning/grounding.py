"""What of the evidence bears on a question, and how well it supports an answer.

No model writes anything here. Sentences are weighed by the words they share with the question
(the rarer in the evidence, the heavier) and by the cosine of their embeddings; below a floor,
nothing in the evidence answers the question, and an answer must say so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.reasoning.reasoner import Evidence, Line
from models.text.words import content, negated, sentences, stem, stems, words

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors, ``float32 (n, D)``."""

FLOOR = 0.38
"""Relevance from which a sentence is taken to answer a question."""

MET = 0.45
"""Cosine from which a word of the question counts as met by another word. What asks for more
than was said has a word that nothing meets: "who *owns* the lighthouse?", where it was painted."""

FAR, NEAR = 0.05, 0.65
"""Cosines taken for no and for full likeness in meaning."""

PREFERRED = 0.12
"""Added to the relevance of the kind of evidence a question asks for: heard, read or seen."""

_ASKS_FOR = {
    "heard": r"\b(say|says|said|hear|heard|speak\w*|spoke\w*|told|tells?|narrat\w+|mention\w*"
    r"|voice|talk\w*|announce\w*|according|call(?:s|ed)?)\b",
    "read": r"\b(written|writ(?:e|es|ing)|text|caption\w*|read|sign|title|words? (?:on|in)"
    r"|letters?|subtitle\w*|spell\w*|screen)\b",
    "seen": r"\b(see|seen|saw|look\w*|picture\w*|shown|shows?|visible|appear\w*|object\w*"
    r"|colou?rs?|animal|in view)\b",
    "gaze": r"\b(look(?:ed|ing)? at|gaz\w+|fixat\w+)\b",
}
_NOW = re.compile(
    r"\b(right now|now|currently|at the moment|at present|right time)\b", re.IGNORECASE
)
_WHOEVER = re.compile(r"\b(?:any|every|some|no)(?:one|body|thing)\b", re.IGNORECASE)
"""Who or what a question leaves open: "did *anyone* mention ...?"."""

_QUOTED = re.compile(r"[\"“”«]([^\"“”»]+)[\"“”»]")

PAUSE = 3.0
"""Seconds within which a speaker may go on with a sentence."""

LONG = 30
"""Words from which what has no full stop is no longer one sentence."""

RECENT = 10.0
"""Seconds that "now" reaches back."""


@dataclass(frozen=True, slots=True, eq=False)
class Sentence:
    """One sentence of the evidence.

    Attributes:
        line: the sentence with the time at which it was said or shown.
        relevance: to the question, about [0, 1.2].
        overlap: share of the question's content words in it, weighted, in [0, 1].
        likeness: cosine with the question, in [-1, 1].
    """

    line: Line
    relevance: float = 0.0
    overlap: float = 0.0
    likeness: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Grounds:
    """The evidence, sentence by sentence in time order, weighed against one question.

    Attributes:
        about: the question without its words of time, and without whom it leaves open.
        topic: stems of the question's content words; empty for "what was said?" and the like.
        asked_for: kinds of evidence that the question's verbs ask for; may be empty.
    """

    question: str
    about: str
    topic: tuple[str, ...]
    asked_for: frozenset[str]
    sentences: tuple[Sentence, ...]

    @property
    def best(self) -> list[Sentence]:
        """Most relevant first; of equals the latest."""
        return sorted(self.sentences, key=lambda s: (-s.relevance, -s.line.start))


def weigh(question: str, evidence: Evidence, embed: Embed) -> Grounds:
    """Weigh ``evidence`` against ``question``."""
    about = _WHOEVER.sub("", evidence.about or question)
    topic = tuple(content(about))
    asked_for = frozenset(
        kind for kind, pattern in _ASKS_FOR.items() if re.search(pattern, about, re.IGNORECASE)
    )
    found = _sentences(evidence)
    if not found:
        return Grounds(question, about, topic, asked_for, ())
    vectors = embed([about, *(s.line.text for s in found)])
    cosines = vectors[1:] @ vectors[0]
    held = [frozenset(stems(s.line.text)) for s in found]
    rarity = {w: _rarity(w, held) for w in topic}
    now = _NOW.search(question) is not None
    weighed = []
    for sentence, stemmed, cosine in zip(found, held, cosines, strict=True):
        overlap = _share(topic, stemmed, rarity)
        relevance = 0.5 * overlap + 0.5 * _nearness(float(cosine))
        if sentence.line.kind in asked_for:
            relevance += PREFERRED
        if now and not _recent(sentence.line, evidence):
            relevance -= PREFERRED
        weighed.append(
            replace(sentence, relevance=relevance, overlap=overlap, likeness=float(cosine))
        )
    return Grounds(question, about, topic, asked_for, tuple(weighed))


def answering(grounds: Grounds, embed: Embed) -> list[Sentence]:
    """The sentences that answer the question, best first; none where nothing does."""
    relevant = [s for s in grounds.best if s.relevance >= FLOOR and s.line.certain]
    met = _met(grounds, relevant, embed)
    found = [s for s, well in zip(relevant, met, strict=True) if well >= MET]
    return [s for s in found if s.relevance >= found[0].relevance - 0.15]


def support(grounds: Grounds, options: Sequence[str], embed: Embed) -> list[float]:
    """How well the evidence supports each option as the answer, about [0, 2].

    An option is supported by a sentence that bears on the question and says the option: holds
    its words, best in one run, not after a negation; or means much the same.
    """
    if not grounds.sentences:
        return [0.0] * len(options)
    said = [stems(s.line.text) for s in grounds.sentences]
    held = [frozenset(s) for s in said]
    texts = [f"{grounds.question} {option}" for option in options]
    vectors = embed([*texts, *(s.line.text for s in grounds.sentences)])
    alike = vectors[: len(options)] @ vectors[len(options) :].T
    everywhere = [w for option in options for w in set(stems(option))]
    scores = []
    for place, option in enumerate(options):
        wanted = stems(option)
        matter = content(option) or list(dict.fromkeys(wanted))
        weights = {
            # What many options share tells them apart little.
            w: _rarity(w, held) / everywhere.count(w)
            for w in matter
        }
        best = 0.0
        for number, sentence in enumerate(grounds.sentences):
            share = _share(matter, held[number], weights)
            run = _longest_run(wanted, said[number])
            phrase = run[1] / len(wanted) if wanted else 0.0
            denied = _denied(sentence.line.text, run, len(wanted)) != negated(option)
            match = (0.6 * share + 0.4 * phrase * share) * (0.35 if denied else 1.0)
            if not sentence.line.certain:
                match *= 0.7
            bearing = 0.35 + 0.65 * min(1.0, sentence.relevance)
            meaning = min(1.0, max(0.0, float(alike[place, number])))
            best = max(best, bearing * match + 0.35 * bearing * meaning)
        scores.append(best)
    return scores


def holds(grounds: Grounds, evidence: Evidence) -> tuple[float, Sentence | None]:
    """How far the evidence says that what a yes/no question asks about is so, in [0, 1], and by
    which sentence. Of a question about now only what is recent counts; where a question puts
    words in quotes, it is about those."""
    found: tuple[float, Sentence | None] = (0.0, None)
    now = _NOW.search(grounds.question) is not None
    quoted = content(" ".join(_QUOTED.findall(grounds.question)))
    for sentence in grounds.sentences:
        if now and not _recent(sentence.line, evidence):
            continue
        likeness = _nearness(sentence.likeness)
        held = sentence.overlap if grounds.topic else 0.0
        if quoted:
            said = stems(sentence.line.text)
            held, likeness = sum(word in said for word in quoted) / len(quoted), 1.0
        chance = held * (0.75 + 0.25 * likeness)
        if not sentence.line.certain:
            chance *= 0.6
        if chance >= found[0] and chance > 0:
            found = chance, sentence
    return found


def _met(grounds: Grounds, found: Sequence[Sentence], embed: Embed) -> list[float]:
    """How well each sentence, with what is close by, meets the least met content word of the
    question: 1 where it holds all of them, else the cosine with the nearest word."""
    wanted = {stem(word): word for word in words(grounds.about) if stem(word) in grounds.topic}
    near = [
        words(" ".join(s.line.text for s in grounds.sentences if _close(s.line, sentence.line)))
        for sentence in found
    ]
    held = [frozenset(map(stem, others)) for others in near]
    missing = [[word for stemmed, word in wanted.items() if stemmed not in h] for h in held]
    texts = list({word: None for some in (*missing, *near) for word in some})
    if not any(missing):
        return [1.0] * len(found)
    vectors = dict(zip(texts, embed(texts), strict=True))

    def met(word: str, others: list[str]) -> float:
        return max((float(vectors[word] @ vectors[other]) for other in others), default=0.0)

    return [
        min((met(word, others) for word in lacking), default=1.0)
        for lacking, others in zip(missing, near, strict=True)
    ]


def _close(other: Line, line: Line) -> bool:
    """Whether ``other`` was said or shown along with ``line``, which may be itself."""
    apart = max(other.start - line.end, line.start - other.end)
    along = other.source == line.source and apart < PAUSE
    return other is line or (other.kind != "look" and other.certain and along)


def _sentences(evidence: Evidence) -> list[Sentence]:
    """The lines of the evidence as sentences, repeated ones once; a sentence in which the
    speaker only paused is put together again."""
    lines: list[Line] = []
    for passage in evidence.passages:
        for line in passage.lines:
            if line.kind == "note":  # retells what is there already
                continue
            if evidence.focus is not None and not _overlaps(line, evidence.focus):
                continue
            for part in _parts(line):
                said = (part.kind, part.source)
                last = next((x for x in reversed(lines) if (x.kind, x.source) == said), None)
                if last is not None and _goes_on(last, part):
                    joined = replace(last, end=part.end, text=f"{last.text} {part.text}")
                    lines[lines.index(last)] = joined
                else:
                    lines.append(part)
    found = {(line.kind, line.source, line.text.casefold()): line for line in reversed(lines)}
    return [Sentence(line) for line in sorted(found.values(), key=lambda line: line.start)]


def _goes_on(last: Line, part: Line) -> bool:
    """Whether ``part`` is the rest of the sentence that ``last`` began."""
    return (
        part.kind == "heard"
        and not re.search(r"[.!?]$", last.text)
        and 0 <= part.start - last.end < PAUSE
        and len(last.text.split()) < LONG
    )


def _parts(line: Line) -> list[Line]:
    """A line cut into sentences, with times in proportion to their letters."""
    texts = sentences(line.text) if line.kind == "heard" else [line.text]
    total = sum(len(t) for t in texts) or 1
    parts, done = [], 0
    for text in texts:
        start = line.start + (line.end - line.start) * done / total
        done += len(text)
        end = line.start + (line.end - line.start) * done / total
        parts.append(replace(line, start=start, end=end, text=text))
    return parts


def _nearness(cosine: float) -> float:
    """A cosine as likeness in meaning, in [0, 1]."""
    return min(1.0, max(0.0, (cosine - FAR) / (NEAR - FAR)))


def _recent(line: Line, evidence: Evidence) -> bool:
    return line.end >= evidence.time - RECENT


def _overlaps(line: Line, focus: tuple[float, float]) -> bool:
    return line.start <= focus[1] and line.end >= focus[0]


def _rarity(word: str, held: Sequence[frozenset[str]]) -> float:
    having = sum(word in h for h in held)
    return math.log(1.0 + (len(held) + 1.0) / (having + 0.5))


def _share(wanted: Sequence[str], held: frozenset[str], weights: dict[str, float]) -> float:
    total = sum(weights[w] for w in wanted)
    return sum(weights[w] for w in wanted if w in held) / total if total else 0.0


def _longest_run(wanted: Sequence[str], said: Sequence[str]) -> tuple[int, int]:
    """Where in ``said`` the longest run of words of ``wanted`` begins, and its length."""
    best = (0, 0)
    for first in range(len(wanted)):
        for place in range(len(said)):
            length = 0
            while (
                first + length < len(wanted)
                and place + length < len(said)
                and wanted[first + length] == said[place + length]
            ):
                length += 1
            if length > best[1]:
                best = (place, length)
    return best


def _denied(text: str, run: tuple[int, int], wanted: int) -> bool:
    """Whether the words before a matching run, near it, deny it ("ask not what ...")."""
    place, length = run
    if not length or length < max(1, wanted // 2):
        return False
    before = words(text)[max(0, place - 4) : place]
    return negated(" ".join(before))
