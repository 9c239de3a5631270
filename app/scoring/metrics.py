"""Accuracies with their uncertainty, and whether two runs differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Interval = tuple[float, float]


def wilson(right: int, n: int, confidence: float = 0.95) -> Interval:
    """Score interval of a proportion (Wilson, 1927), both ends in [0, 1]; (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    from scipy.stats import binomtest  # takes half a second, which no other command should pay

    found = binomtest(right, n).proportion_ci(confidence, method="wilson")
    return float(found.low), float(found.high)


def wilson_of_means(strata: Sequence[Sequence[Sequence[bool]]]) -> Interval:
    """95 % interval of a mean over groups of the mean over tasks of the share of right marks.

    Wilson's intervals of the tasks, put together as their weights say (method of variance
    estimates recovery; Zou and Donner, 2008). Of a single task it is Wilson's interval.

    Args:
        strata: groups of tasks of marks; empty ones do not count.
    """
    groups = [[task for task in group if len(task)] for group in strata]
    groups = [group for group in groups if group]
    if not groups:
        return 0.0, 1.0
    middle = below = above = 0.0
    for group in groups:
        for task in group:
            weight = 1 / (len(groups) * len(group))
            share = sum(task) / len(task)
            low, high = wilson(sum(task), len(task))
            middle += weight * share
            below += (weight * (share - low)) ** 2
            above += (weight * (high - share)) ** 2
    return max(0.0, middle - below**0.5), min(1.0, middle + above**0.5)


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value that two runs over the same questions are equally good.

    McNemar (1947), in the exact binomial form: of the questions that only one of the two got
    right, each run should have got half.
    """
    n = only_first + only_second
    if not n:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(only_first, n, 0.5).pvalue)


def percentile(values: Sequence[float], share: float) -> float | None:
    """The ``share`` quantile of some values, or None of none."""
    return float(np.quantile(values, share)) if values else None
