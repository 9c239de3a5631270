"""Segments close where the stream has a seam, and lose nothing."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.segment import Gap, Observation, SceneChange, SeenObject, Utterance
from models.media import Frame
from pipeline.segmenter import THUMBNAIL_WIDTH, Sealed, Segmenter


def tick(segmenter: Segmenter, until: float, start: float = 0.0, step: float = 0.5) -> list[Sealed]:
    sealed = []
    for n in range(round((until - start) / step) + 1):
        sealed += segmenter.add(start + n * step)
    return sealed


def test_a_segment_closes_at_its_greatest_length() -> None:
    segmenter = Segmenter(longest=10.0)
    sealed = tick(segmenter, 25.0)
    assert [(s.segment.start, s.segment.end, s.segment.closed_by) for s in sealed] == [
        (0.0, 10.0, "length"),
        (10.0, 20.0, "length"),
    ]


def test_a_segment_closes_at_a_scene_change_but_not_right_after_another() -> None:
    segmenter = Segmenter(shortest_scene=1.0)
    sealed = segmenter.add(0.0)
    for time in (4.0, 4.5, 9.0):
        sealed += segmenter.add(time, (SceneChange(time, 0.5),))
    sealed += segmenter.finish(12.0)
    assert [(s.segment.end, s.segment.closed_by) for s in sealed] == [
        (4.0, "scene"),
        (9.0, "scene"),
        (12.0, "end"),
    ]


def test_a_pause_in_speech_closes_a_segment_in_its_middle() -> None:
    segmenter = Segmenter(pause=0.7, shortest=3.0)
    segmenter.add(0.0)
    said = Utterance(1.0, 4.0, "hello")
    sealed = segmenter.add(4.6, (said,), silent_since=4.0)
    for time in (4.8, 5.6, 6.4):
        sealed += segmenter.add(time, silent_since=4.0)
    assert [(s.segment.end, s.segment.closed_by) for s in sealed] == [(4.35, "pause")]
    assert sealed[0].segment.observations == (said,)


def test_a_cut_soon_after_a_pause_is_the_only_boundary() -> None:
    segmenter = Segmenter(pause=0.7)
    segmenter.add(0.0)
    sealed = segmenter.add(4.6, (Utterance(1.0, 4.0, "hello"),), silent_since=4.0)
    sealed += segmenter.add(5.0, silent_since=4.0)
    sealed += segmenter.add(5.5, (SceneChange(5.5, 0.4),), silent_since=4.0)
    sealed += segmenter.add(9.0, silent_since=4.0)
    assert [(s.segment.end, s.segment.closed_by) for s in sealed] == [(5.5, "scene")]


def test_a_sentence_is_not_cut_in_two_by_a_scene_change() -> None:
    segmenter = Segmenter()
    segmenter.add(0.0)
    sealed = segmenter.add(5.0, (SceneChange(5.0, 0.4),), speaking_since=3.0)
    sealed += segmenter.add(6.0, speaking_since=3.0)
    assert sealed == []
    said = Utterance(3.0, 7.0, "all of it")
    sealed = segmenter.add(7.5, (said,), silent_since=7.0)
    assert sealed[0].segment.end == 5.0
    assert said in sealed[0].segment.observations


def test_a_thumbnail_is_a_small_jpeg_of_the_middle_picture() -> None:
    segmenter = Segmenter()
    for n in range(3):
        segmenter.add(float(n), frame=Frame(float(n), np.full((720, 1280, 3), 80 * n, np.uint8)))
    segment = segmenter.finish(3.0)[0].segment
    picture = cv2.imdecode(np.frombuffer(segment.thumbnail, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None and picture.shape[1] == THUMBNAIL_WIDTH
    assert abs(int(picture.mean()) - 80) < 4


def test_a_stream_without_pictures_has_empty_thumbnails_and_no_features() -> None:
    segmenter = Segmenter()
    segmenter.add(0.0)
    segment = segmenter.finish(2.0)[0].segment
    assert segment.thumbnail == b"" and segment.features is None


moments = st.lists(
    st.tuples(st.floats(0.05, 3.0), st.sampled_from(["cut", "speech", "object", "nothing"])),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(moments)
def test_segments_are_contiguous_and_every_observation_and_picture_is_in_exactly_one(
    story: list[tuple[float, str]],
) -> None:
    segmenter = Segmenter()
    now = 0.0
    told: list[Observation] = []
    shown: list[float] = []
    sealed: list[Sealed] = []
    for wait, what in story:
        began, now = now, now + wait
        found: tuple[Observation, ...] = ()
        if what == "cut":
            found = (SceneChange(now, 0.3),)
        elif what == "speech":
            found = (Utterance(began, now, f"from {began}"),)
        elif what == "object":
            found = (SeenObject(now, f"thing at {now}", 0.5),)
        told.extend(found)
        shown.append(now)
        picture = Frame(now, np.zeros((2, 2, 3), np.uint8))
        sealed += segmenter.add(now, found, picture, np.zeros((1, 1, 1), np.float16))
    sealed += segmenter.finish(now)
    segments = [s.segment for s in sealed]
    assert [s.index for s in segments] == list(range(len(segments)))
    assert all(a.end == b.start for a, b in itertools.pairwise(segments))
    assert sorted((o for s in segments for o in s.observations), key=id) == sorted(told, key=id)
    assert [time for s in segments for time in s.feature_times] == shown


def test_a_long_gap_is_one_segment_however_long_it_is() -> None:
    segmenter = Segmenter()
    sealed = segmenter.add(0.0) + segmenter.add(4.0)
    sealed += segmenter.add(7204.0, (Gap(5.0, 7204.0, "the camera was unplugged"),))
    sealed += segmenter.add(7206.0) + segmenter.finish(7206.0)
    spans = [(s.segment.start, s.segment.end, s.segment.closed_by) for s in sealed]
    assert spans == [(0.0, 5.0, "gap"), (5.0, 7204.0, "gap"), (7204.0, 7206.0, "end")]
    assert [len(s.segment.observations) for s in sealed] == [0, 1, 0]


def test_a_short_gap_cuts_nothing() -> None:
    segmenter = Segmenter()
    segmenter.add(0.0)
    sealed = segmenter.add(6.0, (Gap(3.0, 6.0, "away"),)) + segmenter.finish(7.0)
    assert [(s.segment.start, s.segment.end) for s in sealed] == [(0.0, 7.0)]
