"""Recent pictures stay within their bytes."""

from __future__ import annotations

import numpy as np

from memory.short_term import ShortTerm
from models.media import Frame


def pictures(start: float, side: int = 48) -> list[Frame]:
    image = np.zeros((side, side, 3), dtype=np.uint8)
    image[..., 0] = 200
    return [Frame(start + second, image) for second in range(3)]


def test_the_oldest_goes_when_the_budget_is_full_and_is_counted() -> None:
    one = ShortTerm(10**6)
    one.keep(0, pictures(0.0))
    kept = ShortTerm(3 * one.nbytes + one.nbytes // 2)
    for index in range(10):
        kept.keep(index, pictures(0.0))
        assert kept.nbytes <= kept.budget
    assert kept.indices == (7, 8, 9)
    assert kept.given_up == 7
    assert kept.get(6, until=100.0) == ()
    kept.keep(10, pictures(0.0, 2000))
    assert kept.indices == ()
    assert (kept.nbytes, kept.given_up) == (0, 11)


def test_pictures_given_again_take_the_place_of_the_first() -> None:
    kept = ShortTerm(10**6)
    kept.keep(0, pictures(0.0))
    once = kept.nbytes
    kept.keep(0, pictures(5.0))
    assert kept.nbytes == once
    assert [frame.time for frame in kept.get(0, until=100.0)] == [5.0, 6.0, 7.0]


def test_pictures_of_later_are_not_shown() -> None:
    kept = ShortTerm(10**6)
    kept.keep(4, pictures(20.0))
    assert [frame.time for frame in kept.get(4, until=21.5)] == [20.0, 21.0]


def test_a_picture_comes_back_with_its_size_and_colours() -> None:
    kept = ShortTerm(10**6)
    (given, *_) = pictures(0.0)
    kept.keep(0, [given])
    (again,) = kept.get(0, until=0.0)
    assert again.image.shape == given.image.shape
    assert np.abs(again.image.astype(int) - given.image).max() < 12
