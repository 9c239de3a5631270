"""Watching in segments gives what the library's one forward pass over everything gives.

The reference is a copy of the same model that the streaming context never touched, called
as ``model(**inputs)`` with the inputs of the library's own processor for the whole prompt:
its frames, its text layout, its vision tower, its M-RoPE index, its deepstack.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.models.reasoning.multimodal.rig import FRAMES, Rig, difference, rig, shots
from tests.models.reasoning.multimodal.tiny import FAMILIES, frames

TOLERANCE = 1e-4


@pytest.fixture(params=FAMILIES)
def side(request: pytest.FixtureRequest) -> Rig:
    return rig(request.param)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_segments_one_by_one_equal_one_shot(side: Rig, count: int) -> None:
    seen = shots(count, side.hears)
    context = side.context()
    side.watch(seen, context)
    question = "what is seen in the picture?"
    logits = side.ask(context.fork(), question)
    whole = side.one_shot(seen, question)
    assert context.length + len(logits) == len(whole)
    assert difference(logits, whole) < TOLERANCE


def test_two_questions_in_turn(side: Rig) -> None:
    seen = shots(2, side.hears)
    context = side.context()
    side.watch(seen, context)
    for question in ("what is seen?", "who says hello, and where?"):
        logits = side.ask(context.fork(), question)
        assert difference(logits, side.one_shot(seen, question)) < TOLERANCE


def test_a_fork_generates_while_three_more_segments_are_appended(side: Rig) -> None:
    seen = shots(5, side.hears)
    context = side.context(chunk=16)
    side.watch(seen[:2], context)
    fork = context.fork()
    question = "what is seen?"
    side.ask(fork, question)
    made: list[int] = []
    later = iter(seen[2:])
    for token in fork.generate(max_new_tokens=6):
        made.append(token)
        if len(made) in (1, 3, 5):
            side.watch([next(later)], context)
    assert context.length > fork.past_length
    whole = side.one_shot(seen[:2], question, made)
    assert made == whole[-len(made) - 1 : -1].argmax(-1).tolist()
    # The last token made is not in the fork yet: now its logits, and not only their order.
    assert difference(fork.append([made[-1]], all_logits=True), whole) < TOLERANCE
    # And the watcher's own past, after all that.
    logits = side.ask(context.fork(), question)
    assert difference(logits, side.one_shot(seen, question)) < TOLERANCE


def test_a_fork_as_of_an_earlier_stream_time(side: Rig) -> None:
    seen = shots(3, side.hears)
    context = side.context()
    lengths = side.watch(seen, context)
    question = "what is seen?"
    logits = side.ask(context.fork(lengths[0]), question)
    assert difference(logits, side.one_shot(seen[:1], question)) < TOLERANCE


def test_the_pictures_matter_to_these_models(side: Rig) -> None:
    """Guards the other tests: they could not fail if the past were ignored by the model."""
    seen = shots(2, side.hears)
    other = [seen[0], replace(seen[1], frames=frames(FRAMES, 99))]
    first, second = (side.one_shot(s, "what is seen?")[-1] for s in (seen, other))
    assert (first - second).abs().max() > 100 * TOLERANCE
