"""OVO-Bench (Niu et al., arXiv 2501.05510): its twelve tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.scoring.questions import (
    LETTERS,
    MISSHAPEN,
    Kind,
    Question,
    QuestionSet,
    Rejected,
    reason,
)

GROUPS: Mapping[str, str] = {
    "EPM": "backward",
    "ASI": "backward",
    "HLD": "backward",
    "OCR": "real-time",
    "ACR": "real-time",
    "ATR": "real-time",
    "STU": "real-time",
    "FPD": "real-time",
    "OJR": "real-time",
    "REC": "forward",
    "SSR": "forward",
    "CRR": "forward",
}


def load(data: Sequence[Any]) -> QuestionSet:
    """Questions of a parsed annotation file; each test point of a forward task is one.

    ``gt`` is the truth. The free-text ``answer`` differs from ``options[gt]`` in a good quarter
    of the published entries and is remarked upon, never used.
    """
    questions: list[Question] = []
    rejected: list[Rejected] = []
    for number, entry in enumerate(data):
        try:
            questions.extend(list(_questions(entry)))
        except MISSHAPEN as error:
            name = entry.get("id", "?") if isinstance(entry, Mapping) else "?"
            rejected.append(Rejected(f"[{number}] (id {name})", reason(error)))
    return QuestionSet("ovo-bench", tuple(questions), tuple(rejected))


def _questions(entry: Mapping[str, Any]) -> Iterator[Question]:
    task = entry["task"]
    if task not in GROUPS:
        raise ValueError(f"unknown task {task!r}")
    if GROUPS[task] != "forward":
        options = tuple(str(option) for option in entry["options"])
        truth = options[entry["gt"]]
        written = str(entry.get("answer", truth))
        remark = f"answer text {written!r} is not options[gt] {truth!r}: gt counts"
        yield Question(
            id=str(entry["id"]),
            benchmark="ovo-bench",
            task=task,
            group=GROUPS[task],
            video=entry["video"],
            time=float(entry["realtime"]),
            text=entry["question"],
            kind=Kind.CHOICE,
            answer=LETTERS[entry["gt"]],
            options=options,
            raw=entry,
            remarks=() if written == truth else (remark,),
        )
        return
    if not entry["test_info"]:
        raise ValueError("no test points")
    for number, point in enumerate(entry["test_info"]):
        yield forward_question(entry, number, point)


def forward_question(entry: Mapping[str, Any], number: int, point: Mapping[str, Any]) -> Question:
    """The question of one test point of a REC, SSR or CRR entry.

    Raises:
        KeyError, ValueError: the test point lacks what it needs.
    """
    task = entry["task"]
    if task == "REC":
        text = f"How many times did they {entry['activity']}?"
        kind, answer = Kind.COUNT, str(int(point["count"]))
    else:
        if point["type"] not in (0, 1):
            raise ValueError(f"test point {number} has type {point['type']!r}, not 0 or 1")
        kind, answer = Kind.YES_NO, "yes" if point["type"] else "no"
        text = entry["question"] if task == "CRR" else str(point["step"])
    return Question(
        id=f"{entry['id']}.{number}",
        benchmark="ovo-bench",
        task=task,
        group=GROUPS[task],
        video=entry["video"],
        time=float(point["realtime"]),
        text=text,
        kind=kind,
        answer=answer,
        raw=entry,
    )
