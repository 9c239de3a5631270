"""Question files of the field, each by its own module, and telling them apart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.scoring.datasets import ovo_bench, plain, streamgaze, streamingbench
from app.scoring.questions import DataError, QuestionSet


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        DataError: it cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not JSON: byte {error.start} is no UTF-8") from error
    except RecursionError as error:
        raise DataError(f"{path} is not JSON that can be read: it is nested too deep") from error


def load(path: Path, *, all_context: bool = False) -> QuestionSet:
    """The questions of a file of any known kind, told by what it holds.

    Args:
        path: a question file of StreamingBench, OVO-Bench or StreamGaze as published, or ours.
        all_context: show StreamingBench questions all of the video before them instead of the
            60 s of its main table.

    Raises:
        DataError: it is unreadable, of no known kind, or without a single usable question.
    """
    data = read_json(path)
    if isinstance(data, Mapping) and isinstance(data.get("questions"), list):
        found = plain.load(data)
    else:
        first = _first(data)
        if first is None:
            raise DataError(f"{path} is no question file of a known kind")
        if "task" in first and ("realtime" in first or "test_info" in first):
            found = ovo_bench.load(data)
        elif streamgaze.task_of(path.stem) or streamgaze.task_of(_task_type(first)):
            found = streamgaze.load(data, path.stem)
        elif "questions" in first:
            window = None if all_context else streamingbench.WINDOW
            found = streamingbench.load(data, window)
        else:
            raise DataError(
                f"{path} is no question file of a known kind: its first entry has the keys "
                f"{', '.join(map(str, first)) or '(none)'}"
            )
    if not found.questions:
        why = f": {found.rejected[0].where} {found.rejected[0].why}" if found.rejected else ""
        raise DataError(f"{path} holds no usable question{why}")
    return found


def load_all(paths: Sequence[Path], *, all_context: bool = False) -> tuple[QuestionSet, list[Path]]:
    """The questions of several files of one benchmark as one set, and the files they are from.

    A folder stands for its ``questions.json``, or else for all its JSON files.

    Raises:
        DataError: as :func:`load`, or the files are of different benchmarks or share a question.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = [path / "questions.json"]
            if not found[0].is_file():
                found = sorted(path.glob("*.json"))
            if not found:
                raise DataError(f"no .json file in {path}")
            files += found
        else:
            files.append(path)
    loaded = [load(file, all_context=all_context) for file in files]
    if len(loaded) == 1:
        return loaded[0], files
    owner: dict[str, Path] = {}
    for file, part in zip(files, loaded, strict=True):
        if part.benchmark != loaded[0].benchmark:
            raise DataError(
                f"{files[0]} is of {loaded[0].benchmark}, {file} of {part.benchmark}: score them "
                "one at a time"
            )
        for question in part.questions:
            if owner.setdefault(question.id, file) != file:
                raise DataError(
                    f"{owner[question.id]} and {file} both hold question {question.id}: name the "
                    "files to be scored together one by one"
                )
    return QuestionSet(
        loaded[0].benchmark,
        tuple(question for part in loaded for question in part.questions),
        tuple(
            replace(entry, where=f"{file.name} {entry.where}")
            for file, part in zip(files, loaded, strict=True)
            for entry in part.rejected
        ),
    ), files


def _first(data: Any) -> Mapping[str, Any] | None:
    while isinstance(data, list) and data:
        data = data[0]
    return data if isinstance(data, Mapping) else None


def _task_type(entry: Mapping[str, Any]) -> str:
    asked = entry.get("questions")
    if isinstance(asked, list) and asked and isinstance(asked[0], Mapping):
        return str(asked[0].get("task_type", ""))
    return ""
