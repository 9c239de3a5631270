"""StreamingBench (Lin et al., arXiv 2411.03628): the real, omni, sqa and proactive files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from app.scoring.datasets.options import plain_options
from app.scoring.datasets.times import mended, span
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

WINDOW = 60.0
"""Seconds of context of the benchmark's main table."""

_CONTEXTUAL = (
    "Anomaly Context Understanding",
    "Misleading Context Understanding",
    "Sequential Question Answering",
    "Proactive Output",
)
_OMNI = (
    "Emotion Recognition",
    "Scene Understanding",
    "Source Discrimination",
    "Multimodal Alignment",
)
_SHOWN = 4
"""Options that the published prompt shows; no answer of the published files lies beyond."""

_SEQUENTIAL = "Sequential Question Answering"


def group_of(task: str) -> str:
    """The part of the benchmark's table in which a task is reported."""
    if task in _CONTEXTUAL:
        return "contextual"
    return "omni-source" if task in _OMNI else "real-time visual"


def load(data: Sequence[Any], window: float | None = WINDOW) -> QuestionSet:
    """Questions of a parsed file, nested (sqa) or not, one video an entry (stream) or not.

    Args:
        data: what the file's JSON holds.
        window: seconds of video shown before a question; None for all.
    """
    questions: list[Question] = []
    rejected: list[Rejected] = []
    history: dict[str, tuple[Earlier, ...]] = {}
    seen: Counter[str] = Counter()
    for place, entry, published in entries(data):
        try:
            question = _question(entry, published, window, history, seen)
        except MISSHAPEN as error:
            rejected.append(Rejected(place, reason(error)))
            continue
        questions.append(question)
    return QuestionSet("streamingbench", tuple(questions), tuple(rejected))


def entries(data: Any, place: str = "") -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    """Every question of a file with its entry, in order, and where it stands."""
    if isinstance(data, list):
        for number, item in enumerate(data):
            yield from entries(item, f"{place}[{number}]")
        return
    asked = data.get("questions") if isinstance(data, Mapping) else None
    if not isinstance(asked, list) or not asked:
        yield place, data if isinstance(data, Mapping) else {}, None
        return
    for number, question in enumerate(asked):
        yield f"{place}.questions[{number}]", data, question


def _question(
    entry: Mapping[str, Any],
    published: Any,
    window: float | None,
    history: dict[str, tuple[Earlier, ...]],
    seen: Counter[str],
) -> Question:
    if not isinstance(published, Mapping):
        raise ValueError("no questions in this entry")
    video = PurePosixPath(entry["video_path"]).name
    task = published["task_type"].strip()
    about = span(published.get("time") or entry.get("time"))
    time, remark = mended(published["time_stamp"], about)
    remarks = (remark,) if remark else ()
    name = f"{PurePosixPath(video).stem}@{time:g}"
    seen[name] += 1
    if seen[name] > 1:
        name = f"{name}#{seen[name]}"
    if "ground_truth_time_stamp" in published:
        due, remark = mended(published["ground_truth_time_stamp"], None)
        return Question(
            id=name,
            benchmark="streamingbench",
            task=task,
            group=group_of(task),
            video=video,
            time=time,
            text=published["question"].strip(),
            kind=Kind.PROACTIVE,
            answer=published["ground_truth_output"],
            due=due,
            raw=published,
            remarks=remarks,
        )
    options, mending = plain_options(published["options"])
    answer = published["answer"].strip().upper()
    if answer not in LETTERS[: len(options)] or len(answer) != 1:
        raise ValueError(f"answer {published['answer']!r} is none of {len(options)} options")
    if len(options) > _SHOWN and answer in LETTERS[:_SHOWN]:
        mending += (f"{len(options)} options, of which the first {_SHOWN} are shown",)
        options = options[:_SHOWN]
    before: tuple[Earlier, ...] = ()
    if task == _SEQUENTIAL:
        before = history.get(video, ())
        turn = Earlier(published["time_stamp"], published["question"], options, answer)
        history[video] = (*before, turn)
    return Question(
        id=name,
        benchmark="streamingbench",
        task=task,
        group=group_of(task),
        video=video,
        time=time,
        text=published["question"].strip(),
        kind=Kind.CHOICE,
        answer=answer,
        options=options,
        window=window,
        history=before,
        clue=min(about[1], time) if about else None,
        raw=published,
        remarks=remarks + mending,
    )
