"""What questions say of time."""

from __future__ import annotations

import pytest

from memory.time_expressions import parse


@pytest.mark.parametrize(
    ("question", "window"),
    [
        ("What happened in the last minute?", (540.0, 600.0)),
        ("What was said in the past 30 seconds?", (570.0, 600.0)),
        ("Who spoke over the last two minutes?", (480.0, 600.0)),
        ("What was shown between 2:10 and 2:30?", (130.0, 150.0)),
        ("What was shown from 2:30 to 2:10?", (130.0, 150.0)),
        ("What was read at 1:05?", (63.0, 67.0)),
        ("What was there at 65 seconds?", (63.0, 67.0)),
        ("What is on screen right now?", (585.0, 600.0)),
        ("What did she say just now?", (585.0, 600.0)),
        ("Who came in at the beginning of the video?", (0.0, 60.0)),
        ("Who came in during the first 10 seconds?", (0.0, 10.0)),
        ("What was it 4 minutes ago?", (300.0, 420.0)),
        ("What was said before 0:20?", (0.0, 20.0)),
        ("What was said after 9:30?", (570.0, 600.0)),
        ("What was there about minute 3?", (120.0, 240.0)),
        ("What was shown between 1:00:00 and 1:00:10?", (600.0, 600.0)),
    ],
)
def test_windows(question: str, window: tuple[float, float]) -> None:
    said = parse(question, 600.0)
    assert (said.start, said.end) == (pytest.approx(window[0]), pytest.approx(window[1])) or (
        said.start is not None and said.start > 600.0 == said.end
    )
    assert said.phrase


def test_the_words_of_time_are_taken_out_of_the_question() -> None:
    said = parse("What colour was the car in the last minute?", 100.0)
    assert said.rest == "What colour was the car ?"
    assert said.phrase == "in the last minute"


def test_events_and_order() -> None:
    said = parse("Who spoke just before the phone rang?", 60.0)
    assert (said.relation, said.anchor, said.rest) == ("before", "the phone rang", "Who spoke ?")
    assert parse("What came after the applause?", 60.0).relation == "after"
    assert parse("What was the first thing he said?", 60.0).order == "first"
    assert parse("What is the last word on screen?", 60.0).order == "last"


@pytest.mark.parametrize(
    "question",
    ["Where is the telescope kept?", "What happened after that?", "Who made a last-minute goal?"],
)
def test_other_questions_are_left_as_they_are(question: str) -> None:
    said = parse(question, 60.0)
    assert (said.rest, said.start, said.end, said.order, said.relation) == (
        question, None, None, None, None,
    )  # fmt: skip
