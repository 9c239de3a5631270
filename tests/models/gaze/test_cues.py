from __future__ import annotations

import numpy as np
import pytest

from models.gaze.cues import (
    Cues,
    acuity,
    choose_frames,
    drawn,
    eccentricity,
    frame_scores,
    in_words,
    place_in_words,
    saliency_map,
    score,
    weights,
)
from models.gaze.fixations import Fixation
from models.gaze.geometry import NEON, FieldOfView


@pytest.mark.parametrize(
    "x, y, words",
    [
        (0.5, 0.5, "centre"),
        (0.1, 0.1, "upper left"),
        (0.9, 0.5, "right"),
        (0.5, 1.0, "lower"),
        (1.2, 0.5, "outside the picture"),
    ],
)
def test_places_have_words(x, y, words):
    assert place_in_words(x, y) == words


def test_a_look_in_words_says_what_where_and_how_long():
    look = Fixation(1.0, 2.5, 0.1, 0.2)
    assert in_words(look, "a cup") == "looked at a cup (upper left, at (0.10, 0.20)) for 1.5 s"
    assert in_words(look) == "looked at the upper left, at (0.10, 0.20) for 1.5 s"
    away = Fixation(1.0, 2.0, 1.5, 0.2)
    assert in_words(away).startswith("looked outside the picture")


def test_the_gaze_is_drawn_only_while_it_rests():
    image = np.full((360, 640, 3), 90, np.uint8)
    shown = drawn(image, 1.5, [Fixation(1.0, 2.0, 0.5, 0.5)])
    assert tuple(shown[180, 320]) == (0, 255, 0) and tuple(shown[180, 420]) == (255, 0, 0)
    assert (image == 90).all()
    assert drawn(image, 2.5, [Fixation(1.0, 2.0, 0.5, 0.5)]) is image


def test_the_saliency_map_is_brightest_where_the_gaze_stayed_longest():
    view = FieldOfView(40, 30)
    looks = [Fixation(0, 1, 0.25, 0.5), Fixation(1, 1.5, 0.75, 0.5)]
    found = saliency_map(looks, (300, 400), view)
    assert found.shape == (300, 400) and found.dtype == np.uint8
    assert found[150, 100] >= 250 and 120 <= found[150, 300] <= 132
    assert found[150, 200] == 0 and found[10, 10] == 0
    assert not saliency_map([], (30, 40), view).any()


def test_eccentricity_is_the_angle_between_the_points():
    degrees = eccentricity([(0.05, 0.5), (0.95, 0.5)], (3, 5), FieldOfView(60, 40))
    assert degrees[1, 0] == pytest.approx(FieldOfView(60, 40).angle(0.1, 0.5, 0.05, 0.5), abs=1e-4)
    assert degrees[1, 4] == pytest.approx(degrees[1, 0], abs=1e-4)
    assert acuity(np.array([0, 2.3], np.float32)) == pytest.approx([1.0, 0.5])


def test_weights_follow_the_gaze_of_each_frames_time():
    looks = [Fixation(0, 1, 0.1, 0.5), Fixation(3, 4, 0.9, 0.5)]
    found = weights(looks, [0.5, 2.0, 3.5], (3, 5), NEON)
    assert np.unravel_index(found[0].argmax(), (3, 5)) == (1, 0)
    assert (found[1] == found[1].min()).all()
    assert np.unravel_index(found[2].argmax(), (3, 5)) == (1, 4)


def test_long_looks_make_a_stretch_count_more_than_glances():
    steady = [Fixation(0, 2, 0.5, 0.5)]
    glances = [Fixation(i / 5, i / 5 + 0.08, 0.5, 0.5) for i in range(10)]
    assert score([], 0, 2) == 0
    assert 0 < score(glances, 0, 2) < score(steady, 0, 2) <= 1
    assert score(steady, 1, 2) == pytest.approx(score(steady, 0, 2))
    assert score(steady, 5, 9) == score(steady, 5, 5) == 0


def test_frames_are_chosen_by_what_was_looked_at_then_evenly():
    times = [float(t) for t in range(10)]
    looks = [Fixation(6.5, 7.5, 0.5, 0.5), Fixation(2.9, 3.2, 0.5, 0.5)]
    assert choose_frames(times, looks, 1) == [7]
    assert choose_frames(times, looks, 2) == [3, 7]
    assert choose_frames(times, looks, 3) == [0, 3, 7]
    assert choose_frames(times, [], 2) == [0, 9]
    assert choose_frames(times, looks, 50) == list(range(10))


def test_frames_count_by_how_settled_the_look_is_they_fall_into():
    looks = [Fixation(0.0, 0.1, 0.5, 0.5), Fixation(1.0, 2.0, 0.5, 0.5)]
    glance, settled, none = frame_scores([0.05, 1.5, 3.0], looks)
    assert none == 0 < glance < settled < 1


def test_cues_combine():
    assert Cues.named("none") == Cues.named("") == Cues()
    assert Cues.named("text, drawn+saliency") == Cues(text=True, drawn=True, saliency=True)
    assert Cues.named("foveated,choice") == Cues(foveated=True, choice=True)
    assert str(Cues.named("choice,text")) == "text,choice" and str(Cues()) == "none"


def test_an_unknown_cue_is_refused():
    with pytest.raises(ValueError, match="psychic"):
        Cues.named("text,psychic")
