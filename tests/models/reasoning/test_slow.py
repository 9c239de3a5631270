"""Slow tokens: kept within bytes, and chosen for a question within tokens."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.compression.slow_fast import SlowFast
from models.reasoning.multimodal.visual import VisualFeatures, VisualTokens
from models.reasoning.slow import Cues, Form, SlowStore, choose, rank, spread


class Shelf:
    """Blobs in a dictionary."""

    def __init__(self) -> None:
        self.blobs: dict[int, bytes] = {}

    def write(self, key: int, blob: bytes) -> None:
        self.blobs[key] = blob

    def read(self, key: int) -> bytes | None:
        return self.blobs.get(key)

    def remove(self, key: int) -> None:
        del self.blobs[key]


def features(seed: int, steps: int = 4, side: int = 4, layers: int = 1) -> VisualFeatures:
    generator = torch.Generator().manual_seed(seed)
    shape = (steps, side, side, 32)
    return VisualFeatures(
        torch.randn(shape, generator=generator),
        tuple(5.0 * seed + t for t in range(steps)),
        tuple(torch.randn(shape, generator=generator) for _ in range(layers)),
    )


def tokens(seed: int, steps: int = 4, side: int = 4) -> VisualTokens:
    return VisualTokens.all_of(features(seed, steps, side))


@pytest.mark.parametrize(("form", "error"), [("bf16", 0.01), ("int8", 0.02)])
def test_what_is_kept_comes_back_from_memory_and_from_the_shelf(form: Form, error: float) -> None:
    kept = tokens(3).keep(torch.arange(64) % 3 != 0)
    at_hand, away = SlowStore(1 << 20, form), SlowStore(0, form, Shelf())
    for store in (at_hand, away):
        store.put(3, kept)
        back = store.get(3)
        assert back is not None
        assert torch.equal(back.grid, kept.grid)
        assert (back.size, back.times) == (kept.size, kept.times)
        for before, after in zip(
            (kept.tokens, *kept.deepstack), (back.tokens, *back.deepstack), strict=True
        ):
            largest = before.abs().amax(-1, keepdim=True)
            assert ((before - after).abs() <= error * largest).all()
    assert at_hand.held.in_memory == away.held.spilled == 1


def test_int8_takes_little_more_than_half_the_bytes() -> None:
    sizes = []
    for form in ("bf16", "int8"):
        store = SlowStore(1 << 20, form)
        store.put(0, tokens(0))
        sizes.append(store.held.memory_bytes)
    assert 0.5 < sizes[1] / sizes[0] < 0.6


@settings(deadline=None, max_examples=40)
@given(
    counts=st.lists(st.integers(1, 6), min_size=1, max_size=14),
    memory=st.integers(0, 30_000),
    spilled=st.one_of(st.none(), st.integers(0, 30_000)),
    shelf=st.booleans(),
)
def test_budgets_hold_and_the_newest_stay_nearest(
    counts: list[int], memory: int, spilled: int | None, shelf: bool
) -> None:
    blobs = Shelf()
    store = SlowStore(memory, spill=blobs if shelf else None, spill_bytes=spilled)
    for key, steps in enumerate(counts):
        store.put(key, tokens(key, steps))
        held = store.held
        assert held.memory_bytes <= memory
        assert held.spilled_bytes == sum(map(len, blobs.blobs.values()))
        assert spilled is None or held.spilled_bytes <= spilled
        assert held.in_memory + held.spilled + held.let_go == key + 1
    had = store.counts()
    assert list(had) == list(range(store.held.let_go, len(counts)))
    assert all(had[key] == 16 * counts[key] for key in had)
    for key in range(len(counts)):
        back = store.get(key)
        assert (back is not None) == (key in had)
        assert back is None or len(back) == had[key]
    if shelf and spilled is None:
        assert store.held.let_go == 0


def test_a_shelf_that_fails_loses_nothing() -> None:
    class Full(Shelf):
        def write(self, key: int, blob: bytes) -> None:
            raise OSError("no space left on the disk")

    store = SlowStore(0, spill=Full())
    with pytest.raises(OSError, match="no space left"):
        store.put(0, tokens(0))
    assert store.get(0) is not None


def test_a_part_of_a_batch_does_not_hold_the_whole_in_memory() -> None:
    whole = tokens(0, steps=50)
    store = SlowStore(1 << 20)
    store.put(0, whole.keep(torch.arange(len(whole)) < 3))
    back = store._packed[0].tensors["layer.0"]
    assert back.untyped_storage().nbytes() == back.nbytes


def test_keys_out_of_order_are_refused() -> None:
    store = SlowStore(1 << 20)
    store.put(5, tokens(5))
    with pytest.raises(ValueError, match="segment 4 come after those of a later one"):
        store.put(4, tokens(4))


def test_the_newest_is_first_then_what_several_cues_agree_on() -> None:
    keys = list(range(10))
    cues = Cues(recalled=[2, 7], relevance={7: 3.0, 4: 1.0, 5: -1.0}, gaze={1: 0.2})
    assert rank(keys, cues) == [9, 7, 2, 1, 4, 8, 6, 5, 3, 0]
    assert rank(keys, Cues()) == keys[::-1]
    assert rank([], cues) == []
    assert rank([3], Cues(recalled=[99])) == [3]


def filled(steps: int = 4, segments: int = 8) -> SlowStore:
    store = SlowStore(1 << 22)
    for key in range(segments):
        store.put(key, tokens(key, steps))
    return store


def test_the_choice_is_in_time_order_with_its_times_and_within_the_budget() -> None:
    chosen = choose(filled(), range(8), Cues(recalled=[5, 2]), budget=3 * 64, segments=3)
    assert [c.key for c in chosen] == [2, 5, 7]
    assert chosen[0].tokens.times == (10.0, 11.0, 12.0, 13.0)
    assert sum(len(c.tokens) for c in chosen) == 3 * 64


def test_only_segments_the_question_may_use_are_chosen() -> None:
    chosen = choose(filled(), [1, 3, 40], Cues(recalled=[7, 1]), budget=1000)
    assert [c.key for c in chosen] == [1, 3]


def test_what_a_short_segment_leaves_goes_to_the_others() -> None:
    store = SlowStore(1 << 22)
    for key, steps in enumerate((1, 6, 1)):
        store.put(key, tokens(key, steps))
    chosen = choose(store, range(3), Cues(), budget=6 * 16, segments=3)
    assert [len(c.tokens) for c in chosen] == [16, 64, 16]


def test_a_tight_budget_takes_whole_frames_the_first_and_the_highest_scored() -> None:
    store = filled(steps=5, segments=1)
    scored = choose(store, [0], Cues(frames={0: [0.0, 0.1, 0.9, 0.2, 0.3]}), budget=40)
    assert scored[0].tokens.grid[:, 0].unique().tolist() == [0, 2]
    even = choose(store, [0], Cues(), budget=3 * 16 + 5)
    assert even[0].tokens.grid[:, 0].unique().tolist() == [0, 2, 4]
    assert choose(store, [0], Cues(), budget=15) == []


@settings(deadline=None, max_examples=40)
@given(
    budget=st.integers(0, 400),
    segments=st.integers(1, 8),
    recalled=st.lists(st.integers(0, 9), unique=True),
)
def test_the_budget_of_a_question_is_never_exceeded(
    budget: int, segments: int, recalled: list[int]
) -> None:
    chosen = choose(STORE, range(8), Cues(recalled), budget, segments)
    assert sum(len(c.tokens) for c in chosen) <= budget
    assert len(chosen) <= segments
    assert [c.key for c in chosen] == sorted(c.key for c in chosen)


def pruned() -> SlowStore:
    store = SlowStore(1 << 22)
    for key in range(8):
        store.put(key, SlowFast(slow_tokens_per_minute=48 * 12).slow(features(key), 5.0))
    return store


STORE = pruned()


@given(steps=st.integers(0, 40))
def test_frames_are_spread_over_all_whatever_their_number(steps: int) -> None:
    order = spread(steps)
    assert sorted(order) == list(range(steps))
    for count in range(2, steps + 1):
        taken = sorted(order[:count])
        assert max(b - a for a, b in pairwise(taken)) <= 2 * steps / (count - 1)
