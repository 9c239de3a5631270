"""Text on screen: what is read, and how seldom the models run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from models.media import Frame
from models.vision.text_reader import TextReader, TextReaderError, TextTracker
from pipeline.sources import open_source
from tests.models.vision.pictures import card, photograph


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return TextReader()


def test_reads_lines_from_the_top_with_their_places(reader: TextReader) -> None:
    first, second = reader.read(card("GATE 42", "Boarding at 10:35"))
    assert (first.text, second.text) == ("GATE 42", "Boarding at 10:35")
    assert min(first.confidence, second.confidence) > 0.9
    left, top, right, bottom = first.box
    assert (left, top) == pytest.approx((40 / 640, 66 / 360), abs=0.03)
    assert 0.25 < right < 0.4
    assert bottom < second.box[1]


def test_a_photograph_without_text_has_none(reader: TextReader) -> None:
    assert reader.read(photograph("chelsea.png")) == []


def test_unchanged_text_runs_no_model(reader: TextReader) -> None:
    tracker = TextTracker(reader)
    assert [t.text for t in tracker.update(card("SCORE 10")) or []] == ["SCORE 10"]
    for seed in range(5):
        assert tracker.update(card("SCORE 10", noise=4, seed=seed)) is None
    assert (tracker.detections, tracker.recognitions) == (1, 1)


@pytest.mark.parametrize(
    ("before", "after"),
    [("SCORE 16", "SCORE 18"), ("12:03", "12:08"), ("a long line, no 6", "a long line, no 5")],
)
def test_one_changed_digit_is_seen(reader: TextReader, before: str, after: str) -> None:
    tracker = TextTracker(reader)
    tracker.update(card(before))
    assert [t.text for t in tracker.update(card(after)) or []] == [after]


def test_only_the_new_line_is_recognised(reader: TextReader) -> None:
    tracker = TextTracker(reader)
    tracker.update(card("GATE 42"))
    both = tracker.update(card("GATE 42", "NOW BOARDING"))
    assert [t.text for t in both or []] == ["GATE 42", "NOW BOARDING"]
    assert tracker.recognitions == 2


def test_text_that_goes_away_is_told_once(reader: TextReader) -> None:
    tracker = TextTracker(reader)
    tracker.update(card("GATE 42"))
    assert tracker.update(card()) == []
    assert tracker.update(card()) is None


def test_a_line_that_grows_is_read_anew(reader: TextReader) -> None:
    tracker = TextTracker(reader)
    tracker.update(card("GATE 42"))
    assert [t.text for t in tracker.update(card("GATE 42 CLOSED")) or []] == ["GATE 42 CLOSED"]


def test_text_that_moves_is_not_told_again(reader: TextReader) -> None:
    tracker = TextTracker(reader)
    still = card("GATE 42")
    tracker.update(still)
    for shift in (20, 40, 60):
        assert tracker.update(np.roll(still, shift, axis=1)) is None


def test_a_picture_that_changes_size_is_looked_at_again(reader: TextReader) -> None:
    tracker = TextTracker(reader)
    tracker.update(card("GATE 42"))
    assert tracker.update(np.ascontiguousarray(card("GATE 42")[:300, :500])) is None
    assert tracker.detections == 2


def test_restless_texture_is_looked_at_less_and_less(reader: TextReader) -> None:
    """A moving picture without text must not cost a detection a picture."""
    tracker = TextTracker(reader)
    grass = photograph("grass.png")
    wide = np.hstack([grass, grass])
    for step in range(20):
        assert not tracker.update(np.ascontiguousarray(wide[:, 23 * step : 23 * step + 480]))
    assert tracker.detections <= 10


def test_every_caption_of_the_sample_is_read_when_it_comes(
    reader: TextReader, sample: Path
) -> None:
    tracker = TextTracker(reader)
    with open_source(str(sample), rate=1) as source:
        frames = [media for media in source if isinstance(media, Frame)]
    updates = [(frame.time, tracker.update(frame.image)) for frame in frames]
    told = [(time, [t.text for t in texts]) for time, texts in updates if texts is not None]
    scenes = json.loads(sample.with_suffix(".json").read_text())["scenes"]
    assert [texts for _, texts in told] == [scene["text"] for scene in scenes]
    assert [time for time, _ in told] == [scene["start"] for scene in scenes]
    assert tracker.recognitions <= 16


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(TextReaderError, match="rapidocr"):
        TextReader()
