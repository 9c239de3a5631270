"""From results to the rows of a report: by task, by group, in total."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.scoring.metrics import Interval, percentile, wilson, wilson_of_means
from app.scoring.results import Result

MACRO = {"ovo-bench", "streamgaze"}
"""Benchmarks whose totals are means of task means; the others weigh every question alike."""

AGGREGATION = {
    "streamingbench": (
        "Groups and total weigh every question alike. So do the published tables, whose totals "
        "for models follow from their groups with 50 of the 250 proactive questions; "
        "questions_proactive_50.json is that selection."
    ),
    "ovo-bench": "A group is the mean of its tasks, the total the mean of the three groups.",
    "streamgaze": "Groups and total are plain means of their tasks.",
    "plain": "Groups and total weigh every question alike.",
}


@dataclass(frozen=True, slots=True)
class Rate:
    """A share in [0, 1] with its 95 % interval; ``value`` is None of nothing."""

    value: float | None
    interval: Interval
    n: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    ``level`` is ``"task"``, ``"group"`` or ``"total"``. ``asked`` counts every question, also
    those with a missing video; ``left_out`` those the published rule drops.
    """

    level: str
    name: str
    group: str
    asked: int
    scored: int
    errors: int
    missing: int
    left_out: int
    published: Rate
    strict: Rate
    chance: float | None
    first_token: tuple[float | None, float | None]
    seconds: tuple[float | None, float | None]
    tokens: float | None


def tabulate(results: Sequence[Result]) -> list[Row]:
    """Rows in the order in which groups and tasks first occur: each group's tasks, then the
    group, and the total at the end. Results of one benchmark only."""
    if not results:
        return []
    benchmark = results[0].benchmark
    rows: list[Row] = []
    groups = list(dict.fromkeys(r.group for r in results))
    for group in groups:
        inside = [r for r in results if r.group == group]
        rows.extend(
            _row("task", of_task[0].task, group, [[of_task]], benchmark)
            for of_task in _by_task(inside)
        )
        if len(groups) > 1:
            rows.append(_row("group", group, group, [_by_task(inside)], benchmark))
    by_group = [_by_task([r for r in results if r.group == group]) for group in groups]
    if benchmark == "streamgaze":
        by_group = [[task for tasks in by_group for task in tasks]]
    rows.append(_row("total", "total", "", by_group, benchmark))
    return rows


def published_of(result: Result) -> bool | None:
    """The published mark that counts, or None where there is none."""
    return result.published if result.status == "scored" else None


def strict_of(result: Result) -> bool | None:
    """The strict mark; an engine error is wrong, a missing video is no mark."""
    return None if result.status == "missing" else result.strict


def _by_task(results: Sequence[Result]) -> list[list[Result]]:
    return [[r for r in results if r.task == t] for t in dict.fromkeys(r.task for r in results)]


def _row(
    level: str, name: str, group: str, nested: list[list[list[Result]]], benchmark: str
) -> Row:
    flat = [r for tasks in nested for task in tasks for r in task]
    scored = [r for r in flat if r.status == "scored"]
    chances = [
        [[r.chance for r in task if r.chance is not None] for task in tasks] for tasks in nested
    ]
    known = all(r.chance is not None for r in flat)
    macro = benchmark in MACRO and level != "task"
    return Row(
        level=level,
        name=name,
        group=group,
        asked=len(flat),
        scored=len(scored),
        errors=sum(r.status == "error" for r in flat),
        missing=sum(r.status == "missing" for r in flat),
        left_out=sum(r.published is None for r in scored),
        published=_rate(nested, published_of, macro),
        strict=_rate(nested, strict_of, macro),
        chance=_mean_of_means(chances, macro) if known else None,
        first_token=_quantiles([r.first_token for r in scored]),
        seconds=_quantiles([r.seconds for r in scored]),
        tokens=_mean([float(sum(r.tokens.values())) for r in scored if r.tokens]),
    )


def _rate(
    nested: list[list[list[Result]]], mark: Callable[[Result], bool | None], macro: bool
) -> Rate:
    marks = [
        [[m for r in task if (m := mark(r)) is not None] for task in tasks] for tasks in nested
    ]
    flat = [m for tasks in marks for task in tasks for m in task]
    value = _mean_of_means(marks, macro)
    interval = wilson_of_means(marks) if macro else wilson(sum(flat), len(flat))
    return Rate(value, interval, len(flat))


def _mean_of_means(nested: Sequence[Sequence[Sequence[float]]], macro: bool) -> float | None:
    if not macro:
        return _mean([float(m) for tasks in nested for task in tasks for m in task])
    groups = [
        mean
        for tasks in nested
        if (mean := _mean([m for task in tasks if (m := _mean(task)) is not None])) is not None
    ]
    return _mean(groups)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _quantiles(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    known = [value for value in values if value is not None]
    return percentile(known, 0.5), percentile(known, 0.95)
