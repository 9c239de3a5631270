"""What is known of one asked question, as a line of JSON, and reading such lines back.

A line of ``results*.jsonl`` is an object with these fields:

==================  ==================================================================
``id``              the question's id in its data file
``benchmark``       ``streamingbench``, ``ovo-bench``, ``streamgaze`` or ``plain``
``task``, ``group`` as the benchmark reports them
``kind``            ``choice``, ``yes-no``, ``count`` or ``proactive``
``video``           as in the data file
``time``            stream seconds at which it was put
``answer``          the truth: a letter, yes/no, a count, or the words to put out
``chance``          how often a fair guess is right, or null
``age``             seconds from when the clue was last to be seen to the question, or null
``status``          ``scored``, ``error`` (the engine failed) or ``missing`` (no video)
``error``           what failed, for the latter two
``reply``           the reply as it came (proactive: the output, or the last poll's reply)
``choice``          letter of the engine's constrained choice, or empty
``said``            ``{"published": ..., "strict": ...}`` what each rule understood
``published``       true, false, or null where the published rule leaves the reply out
``strict``          true or false; an engine error is false
``fired``           proactive: stream seconds of the poll that was answered yes, or null
``malformed``       why the reply is no usable text, or empty
``first_token``     wall seconds to the first token of the (last) reply, or null
``seconds``         wall seconds from question to full reply, all polls together
``asks``            how many times the engine was asked (polls)
``tokens``          ``{"fast", "slow", "text", "generated"}`` of the last ask, or null
``evidence``        ``[[start, end], ...]`` stream seconds of what the engine used
==================  ==================================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from app.scoring.extraction import malformed, published_mark, strict_mark
from app.scoring.questions import DataError, Question

Status = Literal["scored", "error", "missing"]


@dataclass(frozen=True, slots=True)
class Result:
    """One line; the module's docstring tells the fields."""

    id: str
    benchmark: str
    task: str
    group: str
    kind: str
    video: str
    time: float
    answer: str
    chance: float | None = None
    age: float | None = None
    status: Status = "scored"
    error: str = ""
    reply: Any = None
    choice: str = ""
    said: dict[str, str] = field(default_factory=dict)
    published: bool | None = None
    strict: bool = False
    fired: float | None = None
    malformed: str = ""
    first_token: float | None = None
    seconds: float | None = None
    asks: int = 0
    tokens: dict[str, int] | None = None
    evidence: list[list[float]] = field(default_factory=list)

    def line(self) -> str:
        """This result as one line of JSON, without the line's end."""
        return json.dumps(asdict(self), ensure_ascii=False)


def blank(question: Question) -> dict[str, Any]:
    """The fields of a :class:`Result` that come from its question."""
    return {
        "id": question.id,
        "benchmark": question.benchmark,
        "task": question.task,
        "group": question.group,
        "kind": question.kind.value,
        "video": question.video,
        "time": question.time,
        "answer": question.answer,
        "chance": question.chance,
        "age": None if question.clue is None else round(question.time - question.clue, 3),
    }


def failed(question: Question, status: Literal["error", "missing"], why: str) -> Result:
    """The result of a question that got no reply: wrong by the strict rule, out of the other."""
    return Result(**blank(question), status=status, error=why)


def marked(question: Question, reply: object, choice: str = "", **measured: Any) -> Result:
    """The result of a reply to any but a proactive question."""
    published, strict = published_mark(question, reply), strict_mark(question, reply, choice)
    return Result(
        **blank(question),
        reply=reply,
        choice=choice,
        said={"published": published.said, "strict": strict.said},
        published=published.correct,
        strict=bool(strict.correct),
        malformed=malformed(reply),
        **measured,
    )


TOLERANCE = 2.0
"""Seconds either side of the truth within which a proactive output is in time."""


def marked_proactive(
    question: Question,
    last_poll: float | None,
    fired: bool,
    explicit: bool,
    output: object,
    **measured: Any,
) -> Result:
    """The result of a proactive question.

    Args:
        question: with its ``due``.
        last_poll: stream seconds of the last poll, or None if there was none.
        fired: the last poll's reply held "yes" anywhere, so that the output was asked for.
        explicit: that reply was a plain yes by the strict rule.
        output: what was put out, or the last poll's reply where nothing was.
        measured: fields of :class:`Result` about time and tokens.

    The published rule judges the last poll's time even if nothing fired; since polling goes on
    past the window, silence is wrong by either.
    """
    if question.due is None:
        raise ValueError(f"question {question.id} has no time at which it is due")
    in_time = last_poll is not None and abs(last_poll - question.due) <= TOLERANCE
    right_words = isinstance(output, str) and question.answer.lower() in output.lower()
    return Result(
        **blank(question),
        reply=output,
        said={"published": "yes" if fired else "", "strict": "yes" if explicit else ""},
        published=in_time if last_poll is not None else None,
        strict=in_time and explicit and right_words,
        fired=last_poll if fired else None,
        malformed=malformed(output),
        **measured,
    )


def read_results(paths: Iterable[Path]) -> list[Result]:
    """Results of some files, the last line of an id counting; a torn last line is let go.

    Raises:
        DataError: a line in the middle of a file is not a result.
    """
    found: dict[str, Result] = {}
    for path in paths:
        for result in _lines(path):
            # A video that was missing may have been found by another run since, never the reverse.
            if result.status != "missing" or result.id not in found:
                found[result.id] = result
    return list(found.values())


def _lines(path: Path) -> Iterator[Result]:
    # What follows the last line's end is empty, or torn by a kill.
    whole = path.read_bytes().split(b"\n")[:-1]
    for number, line in enumerate(whole, 1):
        try:
            yield Result(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise DataError(f"{path}, line {number} is not a result: {error}") from error


def in_order(results: Sequence[Result], questions: Sequence[Question]) -> list[Result]:
    """Results in the order of their questions."""
    place = {question.id: number for number, question in enumerate(questions)}
    return sorted((r for r in results if r.id in place), key=lambda r: place[r.id])
