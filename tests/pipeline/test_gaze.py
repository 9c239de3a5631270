"""Fixations with what they were on, and questions about them from memory."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.segment import Fixation, Look, ScreenText, SeenObject, Segment
from models.media import Frame, GazeSample
from models.reasoning.reasoner import Line, Passage
from models.vision.objects import Label, Looked
from models.vision.text_reader import ReadText
from pipeline.gaze import CROP_BYTES, FIRST_PIECE, GazeWatcher, Namer, Target, around, small_jpeg
from pipeline.gaze_questions import by_meaning, gaze_judge, gaze_lines, history, reply
from pipeline.standing import Verdict

RED, BLUE = (200, 20, 20), (20, 20, 200)


class Eyes:
    """Names a picture by whether it is mostly red or blue."""

    def __init__(self, confidence: float = 0.9) -> None:
        self.confidence = confidence

    def look(self, image):
        red = image[..., 0].astype(int).mean() > image[..., 2].astype(int).mean()
        label = Label("tomato" if red else "plate", self.confidence)
        return Looked((label,), np.zeros((1, 1, 1), np.float16))


class Glasses:
    """Reads a word where a picture is mostly blue."""

    def read(self, image):
        blue = image[..., 2].mean() > image[..., 0].mean()
        return [ReadText("ROYAL", (0.4, 0.4, 0.6, 0.6), 0.9)] if blue else []


def picture():
    """Red on the left, blue on the right, with some texture."""
    image = np.zeros((180, 320, 3), np.uint8)
    image[:, :160], image[:, 160:] = RED, BLUE
    stripes = np.arange(320) % 7 < 3
    image[:90, stripes] //= 2
    return image


def watch(watcher, path, until, rate=100.0, fps=4.0):
    """Feed it a gaze given as (start, x) steps, and one picture throughout."""
    found = []
    pictures = 0
    for i in range(int(until * rate)):
        time = i / rate
        if time >= pictures / fps:
            found += watcher.frame(Frame(time, picture()))
            pictures += 1
        x = [x for start, x in path if start <= time][-1]
        found += watcher.sample(GazeSample(time, x, 0.3))
    return found + watcher.finish()


def test_fixations_say_what_they_were_on():
    namer = Namer(Eyes(), Glasses(), 0.8)
    found = watch(GazeWatcher(namer), [(0, 0.2), (0.4, 0.8)], 0.8)
    assert [str(f.target) for f in found] == ["tomato (red)", 'plate (blue), "ROYAL"']
    assert found[0].end == pytest.approx(0.4, abs=0.03)
    assert (round(found[0].x, 1), round(found[1].x, 1)) == (0.2, 0.8)


def test_a_small_picture_is_kept_of_what_was_looked_at_once():
    found = watch(GazeWatcher(None), [(0, 0.2), (0.4, 0.8), (0.8, 0.2)], 3.0)
    crops = [cv2.imdecode(np.frombuffer(f.crop, np.uint8), 1) for f in found if f.crop]
    assert len(found) > len(crops) == 3 and all(crop.shape == (80, 80, 3) for crop in crops)
    blue_then_red = [crop[..., 0].mean() > crop[..., 2].mean() for crop in crops]
    assert blue_then_red == [False, True, False]


def test_a_kept_picture_has_few_bytes_whatever_it_shows():
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    assert 0 < len(small_jpeg(noise)) <= CROP_BYTES
    assert small_jpeg(noise[:3, :2])


def test_a_long_fixation_is_known_while_it_goes_on_and_its_pieces_fit_together():
    watcher = GazeWatcher(Namer(Eyes(), Glasses(), 0.8))
    found = []
    for i in range(70):
        if i % 25 == 0:
            watcher.frame(Frame(i / 100, picture()))
        found += watcher.sample(GazeSample(i / 100, 0.2, 0.3))
    (first,) = found
    assert first.known_at == pytest.approx(FIRST_PIECE, abs=0.03)
    assert first.target == "tomato (red)"
    (second,) = watcher.finish()
    assert second.start == first.end and second.end == pytest.approx(0.69)


def test_models_are_not_run_again_for_what_looks_the_same():
    namer = Namer(Eyes(), Glasses(), 0.8)
    found = watch(GazeWatcher(namer), [(0, 0.2)], 8.0)
    assert len(found) >= 4 and {f.target for f in found} == {"tomato (red)"}
    assert namer.runs == 1


def test_models_are_run_for_so_many_fixations_a_second_and_no_more():
    namer = Namer(Eyes(), Glasses(), 0.8)
    path = [(0.2 * i, (0.2, 0.8)[i % 2]) for i in range(50)]
    found = watch(GazeWatcher(namer), path, 10.0)
    assert len(found) == 50
    assert namer.runs <= 22


def test_guesses_are_called_so_and_unknown_places_have_no_name():
    found = watch(GazeWatcher(Namer(Eyes(0.5), Glasses(), 0.8)), [(0, 0.2)], 0.4)
    assert found[0].target == "perhaps tomato (red)"
    assert watch(GazeWatcher(Namer(Eyes(), Glasses(), 0.8)), [(0, 1.4)], 0.4)[0].target == ""
    assert watch(GazeWatcher(None), [(0, 0.2)], 0.4)[0].target == ""


def test_a_silent_trackers_fixation_becomes_known_by_the_pictures():
    watcher = GazeWatcher(None)
    for i in range(30):
        watcher.sample(GazeSample(i / 100, 0.2, 0.3))
    assert watcher.frame(Frame(1.0, picture())) == []
    (found,) = watcher.frame(Frame(2.0, picture()))
    assert found.end == pytest.approx(0.29)


def test_the_square_around_a_point_stays_inside_the_picture():
    crop, corner = around(picture(), 0.99, 0.01, 0.25)
    assert crop.shape == (80, 80, 3) and corner == (240, 0)
    assert around(picture(), 1.2, 0.5, 0.25)[0].size == 0


names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)


@given(
    labels=st.lists(names, max_size=3),
    texts=st.lists(st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=12)),
    certain=st.booleans(),
    colour=st.sampled_from(["", "red", "blue"]),
)
def test_targets_survive_being_said_in_words(labels, texts, certain, colour):
    target = Target(tuple(labels), tuple(texts), certain or not labels, colour)
    again = Target.parse(str(target))
    assert again.labels == target.labels and len(again.texts) == len(target.texts)
    assert again.certain == target.certain
    assert again.colour == (colour if labels or texts else "")
    for one, other in zip(target.texts, again.texts, strict=True):
        assert " ".join(one.replace('"', "'").split()) == other


SEGMENTS = [
    Segment(
        0,
        0.0,
        10.0,
        (
            Fixation(1.0, 2.0, 0.2, 0.3, "plate (white)"),
            SeenObject(1.0, "spoon", 0.95),
            SeenObject(1.0, "hat", 0.3),
            ScreenText(1.2, "CAFE", (0, 0, 0.1, 0.1), 0.9),
            Fixation(3.0, 4.0, 0.8, 0.3, 'cup, "OPEN"'),
            Look(3.5, 0.0, 0.5),
        ),
        "length",
    ),
    Segment(1, 10.0, 20.0, (Fixation(11.0, 14.0, 0.5, 0.5, "perhaps knife"),), "length"),
]


def test_memory_tells_what_was_looked_at_in_view_and_never_looked_at():
    known = history(SEGMENTS, 20.0, 0.8)
    assert [look.called for look in known.looks] == [("plate",), ("cup", "OPEN"), ("knife",)]
    assert known.looks[0].attributes == ("white",) and not known.looks[2].certain
    assert known.never_looked_at() == ("spoon", "CAFE")
    assert known.in_view(3.0, 4.0) == ("CAFE",)
    assert len(history(SEGMENTS, 3.5, 0.8).looks) == 1


def test_questions_are_answered_with_what_they_rest_on():
    known = history(SEGMENTS, 20.0, 0.8)
    said = reply("What did I look at before the cup?", known, 20.0)
    assert (said.text, said.certain) == ("plate", True)
    assert [(line.start, line.end, line.kind) for line in said.lines] == [(1.0, 2.0, "gaze")]
    said = reply("What am I looking at?", known, 20.0, ["A. cup", "B. knife"])
    assert said.text == "knife" and not said.certain and said.probabilities[1] > 0.5
    assert reply("What did she say?", known, 20.0) is None
    assert reply("What am I looking at?", history([], 20.0, 0.8), 20.0) is None


def test_the_history_in_words():
    lines = gaze_lines(history(SEGMENTS, 20.0, 0.8))
    assert [line.text for line in lines] == [
        "looked at plate (white) for 1.0 s",
        'looked at cup, "OPEN" for 1.0 s',
        "looked at knife for 3.0 s",
        "looked in order at plate, then cup, then knife",
        "in view and never looked at: spoon, CAFE",
    ]
    assert [line.certain for line in lines[:3]] == [True, True, False]
    assert gaze_lines(history([], 1.0, 0.8)) == []


def test_a_standing_question_about_gaze_fires_by_looks_alone():
    calls = []

    def otherwise(condition, passage):
        calls.append(condition)
        return Verdict(0.5)

    judge = gaze_judge(otherwise)
    lines = (Line(1, 1, "seen", "plate"), Line(2, 3, "gaze", "cup (red)"))
    passage = Passage(0, 5, lines, 5)
    assert judge("I look at a plate", passage).likelihood == 0
    found = judge("I look at a cup", passage)
    assert found.likelihood == 1 and found.line is lines[1]
    assert judge("a plate appears", passage).likelihood == 0.5
    assert calls == ["a plate appears"]


def test_names_may_be_alike_in_meaning():
    vectors = {"mug": [1.0, 0.0], "cup": [0.8, 0.6], "car": [0.0, 1.0]}
    compare = by_meaning(lambda texts: np.array([vectors[t] for t in texts], np.float32))
    assert compare("mug", "cup") == 1 and compare("mug", "car") == 0
