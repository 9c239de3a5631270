import pytest

from app.scoring.metrics import bootstrap, mcnemar, percentile, wilson


def test_wilson_agrees_with_its_formula():
    z, n, p = 1.959964, 40, 0.25
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5 / (1 + z * z / n)
    assert wilson(10, 40) == pytest.approx((middle - half, middle + half), abs=1e-5)
    assert wilson(0, 0) == (0.0, 1.0)


def test_bootstrap_of_one_task_is_near_wilson_and_repeats_with_its_seed():
    marks = [True] * 60 + [False] * 40
    low, high = bootstrap([[marks]])
    assert (low, high) == pytest.approx(wilson(60, 100), abs=0.02)
    assert bootstrap([[marks]]) == (low, high)


def test_bootstrap_weighs_groups_alike():
    low, high = bootstrap([[[True] * 1000], [[False] * 10]])
    assert low == high == 0.5


def test_mcnemar_is_exact():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 0) == pytest.approx(2 * 0.5**5)
    assert mcnemar(7, 7) == 1.0


def test_percentile_of_nothing_is_nothing():
    assert percentile([], 0.5) is None
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2.0
