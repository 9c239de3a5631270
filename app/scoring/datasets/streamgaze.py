"""StreamGaze (Lee et al., 2025): past, present and proactive questions over egocentric video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from app.scoring.datasets.options import plain_options
from app.scoring.datasets.streamingbench import entries
from app.scoring.datasets.times import seconds, span
from app.scoring.questions import (
    LETTERS,
    MISSHAPEN,
    Kind,
    Question,
    QuestionSet,
    Rejected,
    reason,
)

WINDOW = 60.0
"""Seconds of video that present tasks see; past and proactive tasks see all."""

TASKS = (
    "past_scene_recall",
    "past_object_transition_prediction",
    "past_gaze_sequence_matching",
    "past_non_fixated_object_identification",
    "present_object_identification_easy",
    "present_object_identification_hard",
    "present_object_attribute_recognition",
    "present_future_action_prediction",
    "proactive_gaze_triggered_alert",
    "proactive_object_appearance_alert",
)


def task_of(file_stem: str) -> str | None:
    """The task a file's name speaks of (``past_scene_recall_output`` too), or None."""
    return next((task for task in TASKS if task in file_stem), None)


def load(data: Sequence[Any], file_stem: str = "") -> QuestionSet:
    """Questions of a parsed file. The task is the question's ``task_type`` or the file's name."""
    questions: list[Question] = []
    rejected: list[Rejected] = []
    seen: Counter[str] = Counter()
    for place, entry, published in entries(data):
        try:
            task = (published or {}).get("task_type") or task_of(file_stem)
            if task not in TASKS:
                raise ValueError(
                    f"task {task!r} is not one of StreamGaze's; name the file after its task"
                )
            questions.extend(list(_questions(entry, published, task, seen)))
        except MISSHAPEN as error:
            rejected.append(Rejected(place, reason(error)))
    return QuestionSet("streamgaze", tuple(questions), tuple(rejected))


def _questions(
    entry: Mapping[str, Any], published: Any, task: str, seen: Counter[str]
) -> Iterator[Question]:
    video = PurePosixPath(entry["video_path"]).name
    time = seconds(published["time_stamp"])
    name = f"{PurePosixPath(video).stem}:{task}@{time:g}"
    seen[name] += 1
    if seen[name] > 1:
        name = f"{name}#{seen[name]}"
    group = task.partition("_")[0]
    if "test_info" in published:
        if not published["test_info"]:
            raise ValueError("no test points")
        for number, point in enumerate(published["test_info"]):
            if point["type"] not in (0, 1):
                raise ValueError(f"test point {number} has type {point['type']!r}, not 0 or 1")
            yield Question(
                id=f"{name}.{number}",
                benchmark="streamgaze",
                task=task,
                group=group,
                video=video,
                time=seconds(point["realtime"]),
                text=published["question"],
                kind=Kind.YES_NO,
                answer="yes" if point["type"] else "no",
                raw=published,
            )
        return
    options, remarks = plain_options(published["options"])
    answer = str(published["answer"]).strip().upper()[:1]
    if not answer or answer not in LETTERS[: len(options)]:
        raise ValueError(f"answer {published['answer']!r} is none of {len(options)} options")
    about = span(entry.get("response_time"))
    yield Question(
        id=name,
        benchmark="streamgaze",
        task=task,
        group=group,
        video=video,
        time=time,
        text=published["question"],
        kind=Kind.CHOICE,
        answer=answer,
        options=options,
        window=WINDOW if group == "present" else None,
        clue=min(about[1], time) if about else None,
        raw=published,
        remarks=remarks,
    )
