"""What is put before the embedded model."""

from __future__ import annotations

from models.reasoning.prompt import clipped, clock, question, shown
from models.reasoning.reasoner import Line, Passage


def test_a_passage_tells_each_sure_thing_once_by_kind() -> None:
    lines = (
        Line(61.0, 62.0, "seen", "cat"),
        Line(62.0, 63.0, "heard", "Mind the step."),
        Line(63.0, 63.0, "seen", "cat"),
        Line(63.0, 63.0, "seen", "shield", certain=False),
        Line(64.0, 64.0, "seen", "cup"),
    )
    told = shown(Passage(61.0, 69.0, lines, 69.0, source="door"))
    assert told == "[1:01 door] heard: Mind the step.; seen: cat / cup\n"
    assert shown(Passage(61.0, 69.0, (), 69.0)) == "[1:01] nothing new\n"


def test_a_question_names_its_options() -> None:
    assert question("Which animal?") == "Question: Which animal?\nAnswer in a few words."
    asked = question("Which animal?", ["A cat", "A dog"])
    assert "\nOptions: A cat / A dog\n" in asked


def test_times_are_told_as_on_a_clock() -> None:
    assert [clock(s) for s in (-1, 9.9, 65, 3605)] == ["0:00", "0:09", "1:05", "1:00:05"]


def test_long_texts_are_cut_after_whole_words() -> None:
    assert clipped("one two three", 2) == "one two ..."
    assert clipped("one two", 2) == "one two"
