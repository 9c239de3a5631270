"""Question files of the field, each by its own module, and telling them apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path} is not JSON: {error}") from error


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


def _first(data: Any) -> Mapping[str, Any] | None:
    while isinstance(data, list) and data:
        data = data[0]
    return data if isinstance(data, Mapping) else None


def _task_type(entry: Mapping[str, Any]) -> str:
    asked = entry.get("questions")
    if isinstance(asked, list) and asked and isinstance(asked[0], Mapping):
        return str(asked[0].get("task_type", ""))
    return ""
