"""The plots of a report, as SVG text."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from app.scoring.anchors import Published
from app.scoring.metrics import wilson
from app.scoring.results import Result
from app.scoring.table import Row, strict_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AGES = (0.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
"""Edges in seconds of the bins of memory age."""


def by_task(
    rows: Sequence[Row], baselines: dict[str, Sequence[Row]], systems: Sequence[Published]
) -> str:
    """Strict accuracy with its interval beside baselines and published systems, row by row."""
    names = [row.name for row in rows]
    shown = [system for system in systems if set(system.scores) & set(names)]

    def draw(axes: Axes) -> None:
        for place, row in enumerate(rows):
            if row.strict.value is None:
                continue
            low, high = row.strict.interval
            axes.plot([100 * low, 100 * high], [place, place], color="C0", linewidth=2)
            label = "this run, strict" if place == len(rows) - 1 else None
            axes.plot(100 * row.strict.value, place, "o", color="C0", label=label)
        for number, (name, others) in enumerate(baselines.items()):
            spots = [
                (100 * other.strict.value, names.index(other.name))
                for other in others
                if other.name in names and other.strict.value is not None
            ]
            if spots:
                xs, ys = zip(*spots, strict=True)
                axes.plot(xs, ys, "|", markersize=12, color=f"C{1 + number}", label=name)
        for number, system in enumerate(shown):
            spots = [(s, names.index(n)) for n, s in system.scores.items() if n in names]
            xs, ys = zip(*spots, strict=True)
            axes.plot(xs, ys, "x", alpha=0.7, color=f"C{(3 + number) % 10}", label=system.system)
        axes.set_yticks(range(len(rows)), names)
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel("accuracy, %")
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))

    return _svg(draw, 9, 1.2 + 0.32 * len(rows))


def by_age(results: Sequence[Result]) -> str:
    """Strict accuracy against how long ago the clue was last to be seen; empty if unknown."""
    aged = [
        (r.age, mark) for r in results if r.age is not None and (mark := strict_of(r)) is not None
    ]
    if not aged:
        return ""

    def draw(axes: Axes) -> None:
        places: list[int] = []
        values: list[float] = []
        lows: list[float] = []
        highs: list[float] = []
        names: list[str] = []
        for low, high in zip(AGES, (*AGES[1:], float("inf")), strict=True):
            marks = [mark for age, mark in aged if low <= max(age, 0.0) < high]
            if not marks:
                continue
            value = sum(marks) / len(marks)
            bottom, top = wilson(sum(marks), len(marks))
            places.append(len(places))
            values.append(100 * value)
            lows.append(100 * max(0.0, value - bottom))
            highs.append(100 * max(0.0, top - value))
            end = f"{high:g}" if high != float("inf") else "..."
            names.append(f"{low:g}-{end} s\nn={len(marks)}")
        axes.errorbar(places, values, yerr=[lows, highs], fmt="o-", capsize=3)
        axes.set_xticks(places, names, fontsize=8)
        axes.set_ylim(0, 100)
        axes.set_ylabel("strict accuracy, %")

    return _svg(draw, 9, 3)


def latency(results: Sequence[Result]) -> str:
    """How time to the first token and to the full reply are distributed; empty if unmeasured."""
    firsts = sorted(r.first_token for r in results if r.first_token is not None)
    totals = sorted(r.seconds for r in results if r.seconds is not None)
    if not firsts and not totals:
        return ""

    def draw(axes: Axes) -> None:
        for name, values in (("first token", firsts), ("full reply", totals)):
            if values:
                shares = [(n + 1) / len(values) for n in range(len(values))]
                axes.step(values, shares, where="post", label=name)
        axes.set_xlabel("seconds")
        axes.set_ylabel("share of questions")
        axes.legend()

    return _svg(draw, 9, 3)


def by_tokens(results: Sequence[Result]) -> str:
    """Strict accuracy of each task against its mean tokens a question; empty if unmeasured."""
    spots = []
    for task in dict.fromkeys(r.task for r in results):
        inside = [r for r in results if r.task == task and r.tokens and r.status == "scored"]
        if inside:
            mean = sum(sum((r.tokens or {}).values()) for r in inside) / len(inside)
            spots.append((mean, 100 * sum(r.strict for r in inside) / len(inside), task))
    if not spots:
        return ""

    def draw(axes: Axes) -> None:
        for number, (tokens, accuracy, task) in enumerate(spots):
            mark = "osD^v"[number // 10 % 5]
            axes.plot(tokens, accuracy, mark, color=f"C{number % 10}", label=task)
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
        axes.set_ylim(0, 105)
        axes.set_xlabel("mean tokens a question (fast + slow + text + generated)")
        axes.set_ylabel("strict accuracy, %")

    return _svg(draw, 9, max(3.0, 0.8 + 0.17 * len(spots)))


def _svg(draw: Callable[[Axes], None], width: float, height: float) -> str:
    # Loaded here: every other command would pay for it at its start.
    import matplotlib
    from matplotlib.figure import Figure

    # Figure without pyplot: no global state, no display.
    figure = Figure(figsize=(width, height), layout="constrained")
    draw(figure.add_subplot())
    file = io.StringIO()
    # Without a fixed salt the marks' ids, and so the whole file, differ from one run to the next.
    with matplotlib.rc_context({"svg.hashsalt": "onlooker"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]
