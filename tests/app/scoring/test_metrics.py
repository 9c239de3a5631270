from random import Random

import pytest

from app.scoring.metrics import mcnemar, percentile, wilson, wilson_of_means


def test_wilson_agrees_with_its_formula():
    z, n, p = 1.959964, 40, 0.25
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5 / (1 + z * z / n)
    assert wilson(10, 40) == pytest.approx((middle - half, middle + half), abs=1e-5)
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(0, 10, 0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1)],
)
def test_interval_of_a_share(right: int, n: int, low: float, high: float) -> None:
    assert wilson(right, n) == pytest.approx((low, high), abs=1e-4)


def test_the_interval_of_a_single_task_is_wilsons():
    marks = [True] * 6 + [False] * 4
    assert wilson_of_means([[marks]]) == pytest.approx(wilson(6, 10))
    assert wilson_of_means([[[False]]]) == pytest.approx(wilson(0, 1))
    assert wilson_of_means([[], [[]]]) == (0.0, 1.0)


def test_the_interval_of_a_mean_of_means_weighs_groups_and_tasks_alike():
    low, high = wilson_of_means([[[True] * 1000], [[False] * 1000, [True, False] * 500]])
    assert low < 0.625 < high
    assert high - low < 0.03


def test_the_interval_of_a_mean_of_means_covers_as_often_as_it_says():
    shares, sizes = (0.3, 0.6, 0.9), (20, 40, 80)
    truth = (0.3 + (0.6 + 0.9) / 2) / 2
    random = Random(7)

    def covered():
        first, second, third = (
            [random.random() < share for _ in range(size)]
            for share, size in zip(shares, sizes, strict=True)
        )
        low, high = wilson_of_means([[first], [second, third]])
        return low <= truth <= high

    assert 0.92 < sum(covered() for _ in range(600)) / 600 < 0.98


def test_mcnemar_is_exact():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 0) == pytest.approx(2 * 0.5**5)
    assert mcnemar(7, 7) == 1.0


def test_percentile_of_nothing_is_nothing():
    assert percentile([], 0.5) is None
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2.0
