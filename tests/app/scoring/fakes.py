"""Candidates and questions for the scoring tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app.scoring.candidate import Ask, Response
from app.scoring.questions import Kind, Question


def question(name: str = "q", **changes: object) -> Question:
    fields: dict[str, object] = {
        "id": name,
        "benchmark": "plain",
        "task": "Object Recognition",
        "group": "all",
        "video": "a.mp4",
        "time": 10.0,
        "text": "What is it?",
        "kind": Kind.CHOICE,
        "answer": "B",
        "options": ("a cat", "a dog", "a horse"),
    }
    return Question(**{**fields, **changes})  # type: ignore[arg-type]


@dataclass
class Scripted:
    """Answers by a function and writes down what it was shown and asked."""

    reply: Callable[[Ask], Response] = lambda ask: Response("B")
    opened: list[tuple[str, float, float | None]] = field(default_factory=list)
    asked: list[Ask] = field(default_factory=list)
    closed: int = 0
    needs_video: bool = True
    causal: bool = False

    def describe(self) -> dict[str, object]:
        return {"engine": "scripted", "model": "none"}

    def open(self, video: Path | None, start: float, end: float | None) -> Scripted:
        self.opened.append((video.name if video else "", start, end))
        return self

    def ask(self, ask: Ask) -> Response:
        self.asked.append(ask)
        return self.reply(ask)

    def close(self) -> None:
        self.closed += 1
