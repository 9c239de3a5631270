"""The blind baseline: the engine's own reasoner, asked without having seen anything."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from app.scoring.candidate import Ask, Response, View
from models.reasoning.reasoner import Evidence, Reasoner


@dataclass(frozen=True, slots=True)
class Blind:
    """What a reasoner knows of the answers by itself. Whatever beats it was seen.

    The reasoner must not have watched anything.
    """

    reasoner: Reasoner
    facts: Mapping[str, object]
    needs_video: bool = False
    causal: bool = False

    def describe(self) -> dict[str, object]:
        return {**self.facts, "engine": f"blind ({self.facts.get('engine', self.reasoner.name)})"}

    def open(self, video: Path | None, start: float, end: float | None) -> View:
        return _Unseen(self.reasoner)


@dataclass(frozen=True, slots=True)
class _Unseen:
    reasoner: Reasoner

    def ask(self, ask: Ask) -> Response:
        nothing = Evidence(ask.time, ())
        began = time.perf_counter()
        question, options = ask.request
        if options:
            odds, counts = self.reasoner.choose(question, options, nothing)
            took = time.perf_counter() - began
            place = max(range(len(odds)), key=odds.__getitem__)
            return Response("", place, took, took, asdict(counts))
        reply = self.reasoner.answer(question, nothing)
        pieces: list[str] = []
        first: float | None = None
        for piece in reply:
            if first is None:
                first = time.perf_counter() - began
            pieces.append(piece)
        took = time.perf_counter() - began
        return Response("".join(pieces), None, first, took, asdict(reply.counts))

    def close(self) -> None:
        pass
