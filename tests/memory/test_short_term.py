"""Recent detail stays within its bytes."""

from __future__ import annotations

import numpy as np
import pytest

from memory.short_term import Detail, ShortTerm, jpeg, picture


def detail(start: float, size: int = 100) -> Detail:
    times = (start, start + 1, start + 2)
    features = np.full((3, 1, 1, size), start, dtype=np.float16)
    return Detail(times, tuple(b"%d" % int(t) for t in times), features)


def test_the_oldest_goes_when_the_budget_is_full_and_is_counted() -> None:
    each = detail(0.0).nbytes
    kept = ShortTerm(3 * each + each // 2)
    for index in range(10):
        kept.keep(index, detail(0.0))
        assert kept.nbytes <= kept.budget
    assert kept.indices == (7, 8, 9)
    assert kept.given_up == 7
    assert kept.get(6) is None
    kept.keep(10, detail(0.0, 10_000))
    assert kept.indices == ()
    assert (kept.nbytes, kept.given_up) == (0, 11)


def test_a_detail_given_again_takes_the_place_of_the_first() -> None:
    kept = ShortTerm(10_000)
    kept.keep(0, detail(0.0))
    kept.keep(0, detail(5.0))
    assert kept.nbytes == detail(5.0).nbytes
    held = kept.get(0)
    assert held is not None
    assert held.times == (5.0, 6.0, 7.0)


def test_pictures_and_features_of_later_are_not_shown() -> None:
    kept = ShortTerm(10_000)
    kept.keep(4, detail(20.0))
    held = kept.get(4, until=21.5)
    assert held is not None
    assert held.times == (20.0, 21.0)
    assert held.pictures == (b"20", b"21")
    assert held.features is not None
    assert held.features.shape == (2, 1, 1, 100)


def test_a_detail_whose_parts_do_not_belong_together_is_refused() -> None:
    with pytest.raises(ValueError, match="2 pictures for 1 times"):
        Detail((0.0,), (b"a", b"b"))
    with pytest.raises(ValueError, match="3 features for 1 times"):
        Detail((0.0,), features=np.zeros((3, 1, 1, 1), dtype=np.float16))


def test_a_picture_comes_back_from_its_jpeg_with_its_colours() -> None:
    image = np.zeros((16, 24, 3), dtype=np.uint8)
    image[..., 0] = 200
    again = picture(jpeg(image))
    assert again.shape == image.shape
    assert np.abs(again.astype(int) - image).max() < 12
    with pytest.raises(ValueError, match="not a picture"):
        picture(b"hello")
