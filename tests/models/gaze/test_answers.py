"""The kinds of question that StreamGaze asks, from plain records of looks."""

from __future__ import annotations

import pytest

from models.gaze.answers import (
    GazeQuestion,
    answer,
    event_likelihood,
    likelihoods,
    understand,
)
from models.gaze.history import History, InView, LookedAt, alike

LOOKS = (
    LookedAt(1.0, 1.4, ("plate",), attributes=("white",)),
    LookedAt(1.5, 2.0, ("plate",)),
    LookedAt(2.2, 2.4, ()),
    LookedAt(2.5, 3.5, ("coffee cup",), attributes=("red",), texts=("OPEN DAILY",)),
    LookedAt(4.0, 5.0, ("plate",)),
    LookedAt(5.5, 6.0, ("knife",), certain=False),
    LookedAt(6.5, 7.0, ("coffee cup",)),
)
VIEWS = (
    InView(0.5, "plate"),
    InView(1.5, "spoon"),
    InView(2.6, "coffee cup"),
    InView(3.0, "kettle"),
    InView(5.4, "knife"),
    InView(6.6, "window"),
)
HISTORY = History(LOOKS, VIEWS)


def asked(question, time=8.0, history=HISTORY):
    understood = understand(question)
    assert understood is not None
    found = answer(understood, history, time)
    return None if found is None else found.text


@pytest.mark.parametrize(
    "question, text",
    [
        ("What did I look at before the cup?", "knife"),
        ("What did I look at right after I looked at the cup?", "plate"),
        ("What did I look at first?", "plate"),
        ("Which object did I never look at?", "spoon, kettle, window"),
        ("What was in view while I was looking at the cup?", "kettle, window"),
        ("What am I looking at?", "coffee cup"),
        ("What is this?", "coffee cup"),
        (
            "In which order did I look at things?",
            "plate, then coffee cup, then plate, then knife, then coffee cup",
        ),
        ("How many times did I look at the plate?", "2 times"),
        ("How long did I look at the plate?", "2.0 seconds"),
        ("When did I look at the plate?", "at 0:01, 0:04"),
        ("Did I look at the kettle?", "no"),
        ("Has the user looked at a cup?", "yes"),
        ("What will I look at next?", "plate"),
    ],
)
def test_questions_are_answered_from_the_looks(question, text):
    assert asked(question) == text


def test_only_what_was_known_then_counts():
    assert asked("What am I looking at?", time=1.2) == "plate"
    assert asked("What did I look at after the cup?", time=4.5) is None
    assert asked("Which object did I never look at?", time=2.0) == "spoon"
    assert asked("Did I look at the cup?", time=3.0) == "no"


def test_attributes_of_what_is_looked_at_now():
    assert asked("What colour is this?", time=3.2) == "red"
    assert asked("What does the sign I am looking at say?", time=3.2) == "OPEN DAILY"
    assert asked("What colour is this?", time=6.9) is None


@pytest.mark.parametrize(
    "question, options, right",
    [
        ("Which object is the user currently gazing at?", ["A. knife", "B. cup", "C. jar"], 1),
        (
            "What object does the user gaze at next after looking at the cup?",
            ["A. kettle", "B. plate", "C. spoon"],
            1,
        ),
        (
            "Among {plate, spoon, cup}, which did the user never gaze at?",
            ["A. plate", "B. spoon", "C. cup"],
            1,
        ),
        (
            "Which transition best matches the user's gaze pattern?",
            ["cup → plate → knife → cup", "knife → cup → plate → plate", "spoon → kettle → cup"],
            0,
        ),
        (
            "When the user was gazing at the cup, which background object was NOT visible?",
            ["A. kettle", "B. window", "C. spoon"],
            2,
        ),
        ("What colour is this?", ["A. blue", "B. red"], 1),
        ("What will the user look at next?", ["A. plate", "B. window"], 0),
        ("Have I looked at the window?", ["Yes", "No"], 1),
    ],
)
def test_the_fitting_option_is_the_likeliest(question, options, right):
    time = 3.2 if "colour" in question else 8.0
    found = likelihoods(understand(question), options, HISTORY, time)
    assert sum(found) == pytest.approx(1)
    assert found.index(max(found)) == right


def test_without_looks_there_is_no_answer_and_no_preference():
    blind = History((), VIEWS)
    for question in ("What did I look at before the cup?", "What am I looking at?"):
        assert asked(question, history=blind) is None
        assert likelihoods(understand(question), ["cup", "jar"], blind, 8.0) is None


@pytest.mark.parametrize(
    "question, kind, thing",
    [
        ("Tell me when I look at a plate", "looks", "plate"),
        ("Monitor my gaze and alert me when I gaze on the <coffee cup>.", "looks", "coffee cup"),
        ("Watch the scene and alert me when the <knife> first appears.", "appears", "knife"),
        ("let me know as soon as you see a window", "appears", "window"),
    ],
)
def test_standing_questions_are_understood(question, kind, thing):
    understood = understand(question)
    assert understood == GazeQuestion(kind, thing)
    events = (LookedAt(1, 2, (thing,)), InView(1, thing))
    found = [event_likelihood(understood, event) for event in events]
    assert found == ([1.0, 0.0] if kind == "looks" else [0.0, 1.0])


@pytest.mark.parametrize(
    "question",
    [
        "What did she say about the budget?",
        "Who is the man in the picture?",
        "What is he doing in this video?",
        "What happened after the cup fell?",
        "Does it look like rain?",
        "Where should I look for help?",
        "Tell me when they mention this budget",
        "How many people are at the table?",
    ],
)
def test_what_is_not_about_gaze_is_left_alone(question):
    assert understand(question) is None


def test_names_are_alike_by_their_words():
    assert alike("the coffee cups", "cup") == 1
    assert 0 < alike("coffee", "coffee cup") < 0.6
    assert alike("cup", "plate") == 0


def test_a_guess_counts_for_less_than_a_fact():
    sure = History((LookedAt(0, 1, ("knife",)),))
    guess = History((LookedAt(0, 1, ("knife",), certain=False),))
    question = understand("What am I looking at?")
    options = ["knife", "jar"]
    assert likelihoods(question, options, sure, 2)[0] > likelihoods(question, options, guess, 2)[0]
    assert answer(question, guess, 2).certain is False


def test_what_was_read_is_told_before_a_guess():
    sign = LookedAt(1, 2, ("street sign",), certain=False, texts=("MUSEUM",))
    guess = LookedAt(3, 4, ("vehicle",), certain=False)
    said = [answer(understand("What am I looking at?"), History((sign, guess)), t) for t in (2, 4)]
    assert [(each.text, each.certain) for each in said] == [("MUSEUM", True), ("vehicle", False)]
