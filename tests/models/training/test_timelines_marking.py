"""Free answers about timelines are marked by what they say, not by how."""

from __future__ import annotations

import pytest

from models.training.timelines import NOT_SEEN, TRAINED, Asked, made
from tests.bench.mind import marked, time_of


def said(right: str, given: str, kind: str = "what") -> bool:
    return marked(Asked(kind, "?", right, ()), given).right


@pytest.mark.parametrize(
    "given",
    ["a red tractor, at 1:12", "Red tractor.", "It is a red tractor", "the red tractor, at 9:00"],
)
def test_an_answer_may_stand_in_other_words(given: str) -> None:
    assert said("a red tractor, at 1:12", given)


@pytest.mark.parametrize("given", ["a tractor", "not seen", "", "at 1:12", "a red car, at 1:12"])
def test_another_thing_is_wrong(given: str) -> None:
    assert not said("a red tractor, at 1:12", given)


def test_an_answer_that_recites_everything_is_wrong() -> None:
    assert not said("a pan", "a pot, a kettle, a pan, a knife and a spoon over there")


def test_times_may_be_off_by_little() -> None:
    assert said("at 1:02:05", "At 1:02:07.", "when")
    assert not said("at 1:02:05", "at 1:02:15", "when")
    assert not said("at 2:05", "soon", "when")
    assert said("at 4:50, at 0:10", "at 4:50", "when told")
    assert marked(Asked("what", "?", "a pan, at 2:05", ()), "a pan, at 2:20").timely is False
    assert marked(Asked("what", "?", "a pan, at 2:05", ()), "a pan, at 2:05").timely is True


def test_yes_is_not_no() -> None:
    assert said("yes, at 2:05", "Yes, at 0:10", "yes or no")
    assert not said("no", "yes", "yes or no")
    assert not said("not yet", "yes", "proactive")
    assert said("not yet", "Not yet.", "proactive")


def test_numbers_may_be_digits() -> None:
    assert said("three", "3", "how many")
    assert said("$4.50, at 0:02", "$4.50", "price")
    assert not said("$4.50, at 0:02", "$4.60", "price")


def test_denying_what_is_there_and_inventing_what_is_not_are_told_apart() -> None:
    unanswerable = Asked("unanswerable", "?", NOT_SEEN, ())
    assert marked(unanswerable, "Not seen.").right
    assert not marked(unanswerable, "red, at 1:00").right
    denied = marked(Asked("what", "?", "a pan", ()), "not seen")
    assert denied.denies
    assert not denied.right


def test_the_right_answers_of_timelines_are_right_and_others_are_not() -> None:
    for seed in range(100):
        free = [q for q in made(seed, TRAINED).asked if not q.options]
        for question in free:
            assert marked(question, question.answer).right, question
            if question.answer != NOT_SEEN:
                assert not marked(question, NOT_SEEN).right


def test_a_time_alone_is_told_from_words() -> None:
    assert time_of("at 0:40") == ("", 40.0)
    assert time_of("half past four, at 1:00:40") == ("half past four", 3640.0)
    assert time_of("7:30, at 0:02") == ("7:30", 2.0)
    assert time_of("three") == ("three", None)
