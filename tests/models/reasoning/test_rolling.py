"""The rolling context: never full, exact after every rebuild, and never ahead of its time."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.reasoning.context import ContextFull, StreamingContext, Tokens
from models.reasoning.gate import PriorityGate
from models.reasoning.rolling import Entry, RollingContext, consolidate
from tests.models.reasoning.test_context import TOLERANCE, numbers, plain, tiny
from tests.models.reasoning.test_context import one_thread as one_thread

HEAD = [3, 1, 4]
QUESTION = [9, 2, 6, 5]


@pytest.fixture(scope="module")
def llama() -> Any:
    return MODEL


def rolling(model: Any, capacity: int = 64, chunk: int = 8, **options: Any) -> RollingContext:
    gate = PriorityGate(patience=0.0)  # here one thread does both: nobody to wait for
    return RollingContext(
        lambda: StreamingContext(model, capacity, chunk=chunk, gate=gate), HEAD, **options
    )


class Script:
    """What the context was given, to say what a fork of it must see."""

    def __init__(self, model: Any, context: RollingContext) -> None:
        self.model = model
        self.context = context
        self.full: dict[int, list[int]] = {}
        self.brief: dict[int, list[int]] = {}
        self.known_at: dict[int, float] = {}

    def append(self, size: int, known_at: float) -> None:
        seed = len(self.full)
        full, brief = numbers(size, seed), numbers(max(1, size // 4), seed + 1000)
        key = self.context.append(full, brief, known_at)
        self.full[key], self.brief[key], self.known_at[key] = full, brief, known_at

    def check(self, as_of: float) -> None:
        view = self.context.view(as_of)
        ids = list(HEAD)
        keys = [span.key for span in view.spans]
        assert keys == sorted(set(keys))
        for span in view.spans:
            assert self.known_at[span.key] <= as_of
            assert span.start == len(ids)
            size = span.stop - span.start
            whole, short = self.full[span.key], self.brief[span.key]
            ids += whole if size == len(whole) else short
            assert span.stop == len(ids)
        assert view.fork.past_length == len(ids)
        logits = view.fork.append(QUESTION)
        assert (logits - plain(self.model, ids + QUESTION)[-1]).abs().max() < TOLERANCE


MODEL = tiny("llama")
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(2, 12), st.floats(-3, 4)),
        st.tuples(st.just("step"), st.just(0), st.just(0.0)),
        st.tuples(st.just("rebuild"), st.just(0), st.just(0.0)),
        st.tuples(st.just("ask"), st.just(0), st.floats(0, 1)),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(actions=ACTIONS)
def test_whatever_happens_a_fork_is_the_plain_forward_of_what_was_known(actions: Any) -> None:
    script = Script(MODEL, rolling(MODEL))
    time = 0.0
    for action, size, number in actions:
        if action == "append":
            # passages may become known out of order: speech that runs into the next
            time += 1
            script.append(size, max(0.0, time + number))
        elif action == "step":
            script.context.step()
        elif action == "rebuild":
            script.context.rebuild()
        else:
            script.check(number * (time + 5))
        assert script.context.length <= script.context.capacity
    script.check(math.inf)


def test_an_endless_stream_never_fills_it_and_keeps_its_beginning(llama: Any) -> None:
    script = Script(llama, rolling(llama))
    for number in range(90):
        script.append(5, float(number))
    script.check(math.inf)
    script.check(50.0)
    keys = [span.key for span in script.context.view().spans]
    assert keys[0] == 0 and keys[-1] == 89
    gaps = [b - a for a, b in pairwise(keys)]
    assert max(gaps) > 5 and gaps[-1] == 1, "the further back, the sparser"
    assert script.context.rebuilds > 5


def test_a_fork_of_an_earlier_time_sees_nothing_later_right_after_a_swap(llama: Any) -> None:
    script = Script(llama, rolling(llama))
    for number in range(14):
        script.append(6, float(number))
    before = script.context.rebuilds
    script.context.rebuild()
    assert script.context.rebuilds == before + 1
    for time in (-1.0, 0.0, 3.5, 7.0, 12.9, 13.0):
        script.check(time)
    assert script.context.view(-1.0).spans == ()


def test_a_passage_known_late_hides_those_after_it_until_then(llama: Any) -> None:
    context = rolling(llama)
    for known_at in (1.0, 9.0, 3.0):
        context.append([1, 2], None, known_at)
    assert [s.key for s in context.view(5.0).spans] == [0]
    assert [s.key for s in context.view(9.0).spans] == [0, 1, 2]


def test_a_fork_goes_on_over_the_swap_as_if_nothing_had_happened(llama: Any) -> None:
    script = Script(llama, rolling(llama))
    for number in range(9):
        script.append(6, float(number))
    fork = script.context.fork()
    alike = script.context.fork()
    fork.append(QUESTION)
    alike.append(QUESTION)
    expected = list(alike.generate(12))
    made = []
    for token in fork.generate(12):
        made.append(token)
        script.append(6, 9.0 + len(made))
        script.context.step()
    assert script.context.rebuilds >= 1
    assert made == expected


def test_passages_that_come_during_a_rebuild_are_in_after_the_swap(llama: Any) -> None:
    script = Script(llama, rolling(llama, capacity=80, chunk=4, full_at=0.7))
    while not script.context.rebuild_due:
        script.append(6, float(len(script.full)))
    assert script.context.step()
    while script.context.rebuild_due:
        if len(script.full) < 14 and script.context.rebuilds == 0:
            script.append(3, float(len(script.full)))
        script.context.step()
        script.check(math.inf)
    assert script.context.rebuilds == 1
    assert [s.key for s in script.context.view().spans][-1] == len(script.full) - 1


def test_a_step_runs_one_chunk_and_an_answer_waits_for_no_more(llama: Any) -> None:
    """The rebuild stands still while an answer is under way, after the chunk that runs."""
    gate = PriorityGate(patience=60.0)
    context = RollingContext(lambda: StreamingContext(llama, 64, chunk=8, gate=gate), HEAD)
    for number in range(9):
        context.append(numbers(6, number), [1, 2], float(number))
    fork = context.fork()
    passes: list[tuple[str, int]] = []
    running, finish = threading.Event(), threading.Event()
    rebuilder = threading.Thread(target=context.rebuild)

    def record(module: Any, args: Any, kwargs: Any) -> None:
        name = "answer" if threading.current_thread() is threading.main_thread() else "rebuild"
        size = kwargs["inputs_embeds"].shape[1]
        passes.append((name, size))
        if name == "rebuild":
            running.set()
            assert finish.wait(30)

    hook = llama.get_decoder().register_forward_pre_hook(record, with_kwargs=True)
    try:
        rebuilder.start()
        assert running.wait(30)
        with gate.answering():
            finish.set()
            fork.append(QUESTION)
            for _ in fork.generate(5):
                pass
        rebuilder.join(30)
    finally:
        hook.remove()
    names = [name for name, _ in passes]
    assert names[:6] == ["rebuild"] + ["answer"] * 5
    assert set(names[6:]) == {"rebuild"} and len(names) > 7
    assert max(size for _, size in passes) <= 8
    assert context.rebuilds == 1


def test_tokens_held_and_caches_stay_bounded(llama: Any) -> None:
    context = rolling(llama)
    held = []
    for number in range(150):
        context.append(numbers(5, number), [1, 2], float(number))
        entries = context._buffer.entries
        held.append(sum(len(e.tokens) + len(e.brief or ()) for e in entries))
    assert max(held) <= 2 * context.capacity
    alone = StreamingContext(llama, 64)
    alone.append([1])
    assert context.nbytes == alone.nbytes


def test_a_note_written_later_stands_for_the_passage_once_it_is_old(llama: Any) -> None:
    context = rolling(llama)
    keys = [context.append(numbers(8, n), [1, 2], float(n)) for n in range(5)]
    context.shorten(keys[0], [7, 7, 7])
    assert context.view().spans[0].stop - context.view().spans[0].start == 8
    for number in range(5, 9):
        context.append(numbers(8, number), [1, 2], float(number))
    first = context.view().spans[0]
    assert (first.key, first.stop - first.start) == (keys[0], 3)
    logits = context.fork(as_of=0.0).append(QUESTION)
    assert (logits - plain(llama, [*HEAD, 7, 7, 7, *QUESTION])[-1]).abs().max() < TOLERANCE


def test_positions_of_their_own_move_along_with_the_passage(llama: Any) -> None:
    """As with pictures under M-RoPE: here each passage leaves a hole behind it."""
    context = rolling(llama, capacity=64)
    brief = Tokens(
        ids=torch.tensor([5, 6]), positions=torch.tensor([0, 2]), next_position=7, relative=True
    )
    for number in range(12):
        full = Tokens(
            ids=torch.tensor(numbers(6, number)),
            positions=torch.arange(6) * 2,
            next_position=15,
            relative=True,
        )
        context.append(full, brief, float(number))
    assert context.rebuilds
    ids, positions = list(HEAD), [0, 1, 2]
    first = 3
    for span in context.view().spans:
        short = span.stop - span.start == 2
        ids += [5, 6] if short else numbers(6, span.key)
        positions += [first + p for p in ([0, 2] if short else range(0, 12, 2))]
        first += 7 if short else 15
    ids += QUESTION
    positions += range(first, first + len(QUESTION))
    with torch.inference_mode():
        expected = llama(torch.tensor([ids]), position_ids=torch.tensor([positions])).logits[0, -1]
    assert (context.fork().append(QUESTION) - expected).abs().max() < TOLERANCE


def test_positions_that_cannot_move_are_refused(llama: Any) -> None:
    with pytest.raises(ValueError, match="must be relative"):
        rolling(llama).append(Tokens.of([1, 2], positions=torch.tensor([4, 5])), None, 0.0)


def test_a_passage_too_long_comes_in_its_brief_form_or_is_refused(llama: Any) -> None:
    context = rolling(llama)
    context.append(numbers(100, 1), numbers(10, 2), 1.0)
    assert context.length == len(HEAD) + 10
    with pytest.raises(ContextFull, match="100 tokens does not fit: the context holds 64"):
        context.append(numbers(100, 1), None, 2.0)
    assert context.length == len(HEAD) + 10
    context.append(numbers(60, 1), None, 3.0)
    assert [s.key for s in context.view().spans][-1] == 1


def test_what_broke_off_half_way_is_not_seen_afterwards(llama: Any) -> None:
    script = Script(llama, rolling(llama, chunk=4))
    script.append(6, 1.0)
    with failing(llama, after=1), pytest.raises(RuntimeError, match="out of memory"):
        script.context.append(numbers(6, 50), None, 2.0)
    script.check(math.inf)
    script.full[1], script.brief[1], script.known_at[1] = [], [], 2.0
    script.append(6, 3.0)
    script.check(math.inf)
    assert [s.key for s in script.context.view().spans] == [0, 2]


def test_a_rebuild_that_broke_off_is_begun_anew(llama: Any) -> None:
    script = Script(llama, rolling(llama, chunk=4))
    while not script.context.rebuild_due:
        script.append(6, float(len(script.full)))
    assert script.context.step()
    with failing(llama, after=0), pytest.raises(RuntimeError, match="out of memory"):
        script.context.step()
    script.check(math.inf)
    for attempt in (script.context.step, script.context.rebuild):
        with failing(llama, after=1), pytest.raises(RuntimeError, match="out of memory"):
            while True:
                attempt()
        script.check(math.inf)
    assert script.context.rebuilds == 0
    script.append(12, 99.0)
    assert script.context.rebuilds == 1
    script.check(math.inf)


@contextmanager
def failing(model: Any, after: int) -> Iterator[None]:
    """The model's forward pass fails once it has run ``after`` times."""
    passes = itertools.count()

    def fail(*_: Any) -> None:
        if next(passes) >= after:
            raise RuntimeError("out of memory")

    hook = model.get_decoder().register_forward_pre_hook(fail)
    try:
        yield
    finally:
        hook.remove()


@given(
    sizes=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20))),
    budget=st.integers(0, 80),
)
def test_consolidation_keeps_to_its_budget_and_to_the_order(sizes: Any, budget: int) -> None:
    entries = [
        Entry(n, float(n), Tokens.of([1] * full), Tokens.of([2] * brief) if brief else None)
        for n, (full, brief) in enumerate(sizes)
    ]
    kept = consolidate(entries, budget)
    assert sum(len(e.tokens) for e in kept) <= budget
    keys = [e.key for e in kept]
    assert keys == sorted(set(keys))
    assert consolidate(entries, 10_000) == entries


def test_contexts_without_a_common_gate_are_refused(llama: Any) -> None:
    context = RollingContext(lambda: StreamingContext(llama, 16))
    context.append([1, 2], None, 0.0)
    with pytest.raises(ValueError, match="share one gate"):
        context.rebuild()
