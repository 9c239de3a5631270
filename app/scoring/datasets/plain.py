"""Our own plain format: one JSON object that a person can write by hand.

    {
      "format": "onlooker-questions",
      "questions": [
        {"video": "sample.mp4", "time": 12.5, "task": "Object Recognition",
         "question": "Which animal is shown?", "options": ["a cat", "a dog"], "answer": "A",
         "clue": 8.0, "group": "real-time visual", "window": 60},
        {"video": "sample.mp4", "time": 15, "task": "Proactive Output", "kind": "proactive",
         "question": "When the cup appears, say \\"coffee\\".", "due": 16, "answer": "coffee"}
      ]
    }

``kind`` is ``choice`` (then ``options``), ``yes-no``, ``count`` or ``proactive`` (then ``due``);
it is ``choice`` unless said. ``time``, ``due`` and ``clue`` are stream seconds or clock times.
``id``, ``group``, ``window`` and ``clue`` may be left out. ``follows``, a list of ids of choice
questions that stand before it in the file, puts those with their right answers before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from app.scoring.datasets.options import plain_options
from app.scoring.datasets.times import seconds
from app.scoring.questions import (
    LETTERS,
    MISSHAPEN,
    Earlier,
    Kind,
    Question,
    QuestionSet,
    Rejected,
    reason,
)

FORMAT = "onlooker-questions"


def load(data: Mapping[str, Any]) -> QuestionSet:
    """Questions of a parsed file."""
    questions: list[Question] = []
    rejected: list[Rejected] = []
    seen: Counter[str] = Counter()
    asked: dict[str, Question] = {}
    for number, entry in enumerate(data["questions"]):
        try:
            name = str(entry.get("id", number))
            seen[name] += 1
            if seen[name] > 1:
                raise ValueError(f"the id {name!r} is taken")
            question = asked[name] = _question(entry, name, asked)
            questions.append(question)
        except MISSHAPEN as error:
            rejected.append(Rejected(f"questions[{number}]", reason(error)))
    return QuestionSet("plain", tuple(questions), tuple(rejected))


def _question(entry: Mapping[str, Any], name: str, asked: Mapping[str, Question]) -> Question:
    kind = Kind(entry.get("kind", "choice"))
    answer = str(entry["answer"]).strip()
    options: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    if kind is Kind.CHOICE:
        options, remarks = plain_options(entry["options"])
        if len(answer) != 1 or answer not in LETTERS[: len(options)]:
            raise ValueError(f"answer {answer!r} is none of {len(options)} options")
    elif kind is Kind.YES_NO and answer not in ("yes", "no"):
        raise ValueError(f"answer {answer!r} is neither yes nor no")
    elif kind is Kind.COUNT and not answer.isdecimal():
        raise ValueError(f"answer {answer!r} is not a count")
    return Question(
        id=name,
        benchmark="plain",
        task=entry["task"],
        group=entry.get("group", "all"),
        video=entry["video"],
        time=seconds(entry["time"]),
        text=entry["question"],
        kind=kind,
        answer=answer,
        options=options,
        history=tuple(_earlier(asked, told) for told in entry.get("follows", ())),
        window=float(entry["window"]) if entry.get("window") is not None else None,
        due=seconds(entry["due"]) if kind is Kind.PROACTIVE else None,
        clue=seconds(entry["clue"]) if "clue" in entry else None,
        raw=entry,
        remarks=remarks,
    )


def _earlier(asked: Mapping[str, Question], name: str) -> Earlier:
    if name not in asked or asked[name].kind is not Kind.CHOICE:
        raise ValueError(f"it follows {name!r}, and no choice question of that id is before it")
    question = asked[name]
    return Earlier(f"{question.time:g} s", question.text, question.options, question.answer)
