"""Published replies, marked again: result files of the three benchmarks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.scoring.datasets import ovo_bench, read_json, streamgaze, streamingbench
from app.scoring.extraction import yes_or_no
from app.scoring.questions import DataError, Kind, Question, Rejected
from app.scoring.results import Result, marked, marked_proactive

_PUBLISHED_KEYS = {
    *("task_type", "question", "time_stamp", "answer", "options", "required_ability", "cause"),
    *("effect", "ground_truth_time_stamp", "ground_truth_output", "audio_path", "time"),
}


@dataclass(frozen=True, slots=True)
class Imported:
    """Marked replies and the entries that could not be read, each by where it stands."""

    benchmark: str
    results: tuple[Result, ...]
    rejected: tuple[Rejected, ...]


def import_replies(benchmark: str, path: Path, model: str = "") -> Imported:
    """Mark the replies in a file, or in all JSON files of a folder.

    Args:
        benchmark: ``"ovo-bench"``, ``"streamingbench"`` or ``"streamgaze"``.
        path: result file or folder, as the benchmark's own scripts write them.
        model: StreamingBench keeps a reply under its model's name: that name, if a file holds
            several.

    Raises:
        DataError: unknown benchmark, nothing there, or not a result file.
    """
    readers: Mapping[str, Callable[[Any, Path], Iterator[Result | Rejected]]] = {
        "ovo-bench": lambda data, _: _ovo_bench(data),
        "streamingbench": lambda data, where: _streamingbench(data, where, model),
        "streamgaze": _streamgaze,
    }
    if benchmark not in readers:
        raise DataError(f"no benchmark {benchmark!r}; known are {', '.join(readers)}")
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"no .json file in {path}")
    results: list[Result] = []
    rejected: list[Rejected] = []
    for file in files:
        data = read_json(file)
        if not isinstance(data, list | Mapping):
            raise DataError(f"{file} is no result file of {benchmark}")
        try:
            for item in readers[benchmark](data, file):
                if isinstance(item, Rejected):
                    rejected.append(replace(item, where=f"{file.name} {item.where}"))
                else:
                    results.append(item)
        except (AttributeError, KeyError, TypeError) as error:
            raise DataError(f"{file} is no result file of {benchmark}: {error!r}") from error
    if not results:
        raise DataError(f"no reply of {benchmark} in {path}")
    return Imported(benchmark, tuple(_distinct(results)), tuple(rejected))


def _distinct(results: Iterable[Result]) -> Iterator[Result]:
    """Published files repeat some ids; each reply counts, under a name of its own."""
    seen: Counter[str] = Counter()
    for result in results:
        seen[result.id] += 1
        again = seen[result.id]
        yield result if again == 1 else replace(result, id=f"{result.id}#{again}")


def _ovo_bench(data: Any) -> Iterator[Result | Rejected]:
    for part in ("backward", "realtime", "forward"):
        for number, entry in enumerate(data[part] or ()):
            where = f"{part}[{number}]"
            try:
                yield from _ovo_entry(entry)
            except (KeyError, TypeError, ValueError) as error:
                yield Rejected(where, _reason(error))


def _ovo_entry(entry: Mapping[str, Any]) -> Iterator[Result]:
    task = entry["task"]
    if task not in ovo_bench.GROUPS:
        raise ValueError(f"unknown task {task!r}")
    if ovo_bench.GROUPS[task] == "forward":
        # All of an entry or nothing of it: half an entry would weigh wrongly.
        points = [
            (ovo_bench.forward_question(entry, number, point), point.get("response"))
            for number, point in enumerate(entry["test_info"])
        ]
        for question, reply in points:
            yield marked(question, reply)
        return
    answer = entry["ground_truth"]
    if not (isinstance(answer, str) and len(answer) == 1 and "A" <= answer <= "J"):
        raise ValueError(f"ground truth {answer!r} is not a letter")
    question = Question(
        id=str(entry["id"]),
        benchmark="ovo-bench",
        task=task,
        group=ovo_bench.GROUPS[task],
        video=str(entry.get("video", "")),
        time=float(entry.get("realtime", 0)),
        text=str(entry.get("question", "")),
        kind=Kind.CHOICE,
        answer=answer,
        raw=entry,
    )
    yield marked(question, entry.get("response"))


def _streamingbench(data: Any, file: Path, model: str) -> Iterator[Result | Rejected]:
    loaded = streamingbench.load(data)
    yield from loaded.rejected
    name = model or _model_of(loaded.questions, file)
    for question in loaded.questions:
        if name not in question.raw:
            yield Rejected(question.id, f"no reply of {name}")
        elif question.kind is Kind.PROACTIVE:
            yield _dialogue(question, question.raw[name])
        else:
            yield marked(question, question.raw[name])


def _model_of(questions: Sequence[Question], file: Path) -> str:
    keys = Counter(key for q in questions for key in q.raw if key not in _PUBLISHED_KEYS)
    if len(keys) != 1:
        if not keys:
            raise DataError(f"{file} holds no reply of any model")
        raise DataError(f"{file} holds replies of {', '.join(sorted(keys))}; name one with --model")
    return next(iter(keys))


def _dialogue(question: Question, reply: Any) -> Result:
    history = reply.get("dialog_history") if isinstance(reply, Mapping) else None
    turns = [turn for turn in history if isinstance(turn, Mapping)] if history else []
    said = [turn for turn in turns if turn.get("role") == "assistant"]
    if not said:
        return replace(
            marked_proactive(question, None, False, False, None),
            malformed="no dialogue",
        )
    fired = bool(reply.get("answered"))
    # After a yes the plain question follows at the same time: the yes is the last but one.
    poll = said[-2] if fired and len(said) > 1 else said[-1]
    asked_at = said[-1].get("time")
    text = poll.get("content")
    return marked_proactive(
        question,
        float(asked_at) if isinstance(asked_at, int | float) else None,
        fired,
        isinstance(text, str) and yes_or_no(text) == "yes",
        said[-1].get("content"),
        asks=len(said),
    )


def _streamgaze(data: Any, file: Path) -> Iterator[Result | Rejected]:
    loaded = streamgaze.load(data, file.stem)
    yield from loaded.rejected
    replies = _streamgaze_replies(data)
    for question in loaded.questions:
        owner = replies.get(id(question.raw))
        if question.kind is Kind.YES_NO:
            number = int(question.id.rpartition(".")[2])
            yield marked(question, question.raw["test_info"][number].get("response", ""))
        else:
            yield marked(question, owner)


def _streamgaze_replies(data: Any) -> dict[int, Any]:
    """The prediction of each question object, by its identity; they are paired by position."""
    found: dict[int, Any] = {}
    for entry in data:
        if not isinstance(entry, Mapping):
            continue
        predictions = entry.get("model_predictions") or ()
        for question, prediction in zip(entry.get("questions") or (), predictions, strict=False):
            found[id(question)] = (
                prediction.get("model_prediction", "") if isinstance(prediction, Mapping) else ""
            )
    return found


def _reason(error: Exception) -> str:
    return f"lacks {error}" if isinstance(error, KeyError) else str(error)
