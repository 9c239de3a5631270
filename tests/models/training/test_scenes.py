"""Made-up streams show what their questions' answers say."""

from __future__ import annotations

from collections import Counter, defaultdict

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from models.training.scenes import COLOURS, SECONDS, SOUNDS, WAYS, Scene

SCENES = [Scene.of(seed) for seed in range(60)]


def pixels(frame: NDArray[np.uint8], colour: str, rows: slice) -> NDArray[np.bool_]:
    """Where a frame has a colour; drawn things have it exactly, the noisy ground hardly."""
    alike: NDArray[np.bool_] = (frame[rows] == COLOURS[colour]).all(-1)
    return alike


MIDDLE, TOP = slice(50, 176), slice(0, 50)


def test_a_scene_is_made_from_its_seed_alone() -> None:
    again = Scene.of(7)
    assert again == SCENES[7] != SCENES[8]
    assert np.array_equal(again.frames(), SCENES[7].frames())
    assert np.array_equal(again.audio(), SCENES[7].audio())
    assert again.frames().shape == (SECONDS, 224, 224, 3)


def test_things_are_in_view_when_they_are_said_to_be() -> None:
    seen = Counter[bool]()
    for scene in SCENES[:12]:
        frames = scene.frames()
        for thing in scene.things:
            for second in range(SECONDS):
                there = pixels(frames[second], thing.colour, MIDDLE).sum() > 100
                hidden = thing.seen(second) and not there  # behind another thing
                assert there == thing.seen(second) or hidden
                seen[there] += 1
                assert not hidden or len(scene.things) > 1
    assert min(seen[True], seen[False]) > 25


def test_things_move_as_the_answer_says() -> None:
    checked = Counter[str]()
    for scene in SCENES:
        alone = [t for t in scene.things if t.last - t.first >= 3]
        if len(scene.things) > 2 or not alone:
            continue
        thing = alone[0]
        first, last = (
            np.argwhere(pixels(scene.frame(second), thing.colour, MIDDLE))
            for second in (thing.first, thing.last - 1)
        )
        down, right = last.mean(0) - first.mean(0)
        for axis, moved in ((0, right), (1, down)):
            wanted = WAYS[thing.way][axis]
            if wanted:
                assert moved * wanted > 8, (scene.seed, thing)
            elif thing.way == "nowhere":
                assert abs(moved) < 20
        checked[thing.way] += 1
    assert len(checked) == len(WAYS)


def test_rows_hold_as_many_as_the_answer_says() -> None:
    counted = 0
    for scene in SCENES:
        if scene.row is None:
            continue
        shape, colour, count = scene.row
        spots = pixels(scene.frame(0), colour, TOP).astype(np.uint8)
        _, _, found, _ = cv2.connectedComponentsWithStats(spots)
        assert (found[1:, cv2.CC_STAT_AREA] > 40).sum() == count, (scene.seed, shape)
        counted += 1
    assert counted > 20


def test_sounds_begin_when_they_are_said_to() -> None:
    heard = set()
    for scene in SCENES:
        power = np.abs(scene.audio()).reshape(SECONDS, -1).mean(1)
        loud = (power > 0.004).tolist()
        first = SECONDS if scene.sound is None else scene.sound[1]
        assert loud == [second >= first for second in range(SECONDS)], scene.seed
        heard |= {scene.sound[0]} if scene.sound else set()
    assert heard == set(SOUNDS)


@pytest.mark.parametrize("seconds", [4, 6, 8])
def test_answers_are_of_what_was_known_by_then(seconds: int) -> None:
    kinds, answers = Counter[str](), Counter[tuple[str, str]]()
    for scene in SCENES:
        known = [t for t in scene.things if t.first < seconds]
        for question in scene.questions(seconds):
            kinds[question.kind] += 1
            answers[question.kind, question.answer] += 1
            assert question.answer in question.options
            named = [t for t in scene.things if t.shape in question.text]
            if question.kind == "proactive":
                there = named and named[0] in known and named[0].colour in question.text
                assert (question.answer == "yes") == there
            elif question.kind == "present":
                assert (question.answer == "yes") == any(t.seen(seconds - 1) for t in named)
                assert scene.row is None or scene.row[0] not in question.text
            elif question.kind == "order":
                first = min(named, key=lambda t: t.first)
                assert question.answer == first.shape
                assert len({t.first for t in named}) == 2 and set(named) <= set(known)
            elif question.kind == "text" and scene.sign:
                assert (question.answer == scene.sign[0]) == (scene.sign[1] < seconds)
            elif question.kind in ("colour", "shape", "motion"):
                about = named or [t for t in scene.things if t.colour in question.text]
                assert about[0] in known
                assert question.answer in (about[0].colour, about[0].shape, about[0].way)
    assert set(kinds) == {
        *("colour", "shape", "motion", "count", "order", "text", "sound"),
        *("past", "present", "proactive"),
    }
    for kind in ("present", "proactive"):
        assert answers[kind, "yes"] == answers[kind, "no"]


def test_the_words_of_a_question_do_not_tell_whether_it_is_answered_by_yes() -> None:
    words: dict[str, Counter[str]] = defaultdict(Counter)
    right = Counter[str]()
    for seed in range(600):
        for question in Scene.of(seed).questions(4 + seed % 5):
            if question.options == ("yes", "no"):
                if seed < 400:
                    words[question.text][question.answer] += 1
                elif question.text in words:
                    guess = words[question.text].most_common(1)[0][0]
                    right[question.kind, guess == question.answer] += 1
    for kind in ("present", "proactive"):
        share = right[kind, True] / (right[kind, True] + right[kind, False])
        assert 0.4 < share < 0.6, kind
