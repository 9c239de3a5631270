"""What is scored: anything that watches a video up to a time and answers then."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

from app.scoring.questions import LETTERS, Kind


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to a candidate.

    Attributes:
        id: of the question, with the poll's number for proactive ones.
        start, time: the candidate may use what happened in ``[start, time]`` of the stream.
        prompt: the whole request in words: instructions, options and all.
        question: for who is given the options apart: the question with what must stand before
            it (earlier questions), without options or how to reply.
        options: texts to choose from, empty for a free answer. Of a yes/no request they are
            ``("Yes", "No")``.
        kind: how the reply will be read.
        free: a reply in words to ``prompt`` is wanted even where there are options.
    """

    id: str
    start: float
    time: float
    prompt: str
    question: str
    options: tuple[str, ...]
    kind: Kind
    free: bool = False

    @property
    def request(self) -> tuple[str, tuple[str, ...]]:
        """What to put to an engine that can choose among options, and those options."""
        if self.free or not self.options:
            return self.prompt, ()
        return self.question, self.options


@dataclass(frozen=True, slots=True)
class Response:
    """A candidate's reply.

    Attributes:
        text: as generated; for a constrained choice it may be empty.
        chosen: place of the chosen option, where the candidate chose among them by probability.
        first_token, seconds: wall time to the first token and to the last, or None where the
            notion has no meaning.
        tokens: by kind: fast, slow, text, generated.
        evidence: stream seconds of what was used.
    """

    text: str
    chosen: int | None = None
    first_token: float | None = None
    seconds: float | None = None
    tokens: Mapping[str, int] | None = None
    evidence: tuple[tuple[float, float], ...] = field(default=())


class View(Protocol):
    """One video under watch. Times of asks never go back."""

    def ask(self, ask: Ask) -> Response:
        """Watch on to ``ask.time``, no further, and answer."""
        ...

    def close(self) -> None: ...


class Candidate(Protocol):
    """A system under test."""

    @property
    def needs_video(self) -> bool:
        """False for a baseline that never looks."""
        ...

    @property
    def causal(self) -> bool:
        """A view that was asked and then watches on is as good as a new one over all of it."""
        ...

    def describe(self) -> dict[str, object]:
        """For the header: engine, model, revision, dtype, budgets."""
        ...

    def open(self, video: Path | None, start: float, end: float | None) -> View:
        """Begin to watch ``video`` (None only if none is needed) from ``start`` seconds.

        Nothing after ``end`` may be read where it is given; the view is then asked once.
        Otherwise nothing after the time of a request may be used for it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Guessing:
    """The random baseline: a fair guess, the same for a question in whatever order it comes."""

    seed: int
    needs_video: bool = False
    causal: bool = False

    def describe(self) -> dict[str, object]:
        return {"engine": "random", "model": "none", "seed": self.seed}

    def open(self, video: Path | None, start: float, end: float | None) -> View:
        return _Guess(self.seed)


@dataclass(frozen=True, slots=True)
class _Guess:
    seed: int

    def ask(self, ask: Ask) -> Response:
        digest = hashlib.sha256(f"{self.seed}:{ask.id}".encode()).digest()
        random = Random(digest)
        if ask.options:
            place = random.randrange(len(ask.options))
            text = LETTERS[place] if ask.kind is Kind.CHOICE else ask.options[place]
            return Response(text, chosen=place)
        return Response(str(random.randint(0, 5)))

    def close(self) -> None:
        pass
