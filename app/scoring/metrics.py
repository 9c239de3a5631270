"""Accuracies with their uncertainty, and whether two runs differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest

Interval = tuple[float, float]


def wilson(right: int, n: int, confidence: float = 0.95) -> Interval:
    """Score interval of a proportion (Wilson, 1927), both ends in [0, 1]; (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    found = binomtest(right, n).proportion_ci(confidence, method="wilson")
    return float(found.low), float(found.high)


def bootstrap(
    strata: Sequence[Sequence[Sequence[bool]]],
    seed: int = 0,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Percentile interval of a mean of means of means, resampled within each inner list.

    Args:
        strata: groups of tasks of marks. The statistic is the mean over groups of the mean over
            tasks of the share of right marks, as benchmarks with such totals compute it.
        seed: of the resampling, so that a report can be made again.
    """
    rng = np.random.default_rng(seed)
    groups = []
    for tasks in strata:
        # A binomial draw is a resampling of 0/1 marks with replacement.
        draws = [
            rng.binomial(len(marks), sum(marks) / len(marks), resamples) / len(marks)
            for marks in tasks
            if len(marks)
        ]
        if draws:
            groups.append(np.mean(draws, axis=0))
    if not groups:
        return 0.0, 1.0
    totals = np.mean(groups, axis=0)
    tail = (1 - confidence) / 2
    low, high = np.quantile(totals, (tail, 1 - tail))
    return float(low), float(high)


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value that two runs over the same questions are equally good.

    McNemar (1947), in the exact binomial form: of the questions that only one of the two got
    right, each run should have got half.
    """
    n = only_first + only_second
    return float(binomtest(only_first, n, 0.5).pvalue) if n else 1.0


def percentile(values: Sequence[float], share: float) -> float | None:
    """The ``share`` quantile of some values, or None of none."""
    return float(np.quantile(values, share)) if values else None
