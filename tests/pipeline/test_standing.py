"""Standing questions: one event fires once, and what is judged is what was asked."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from memory.segment import Segment, Utterance
from models.reasoning.reasoner import Line, Passage
from pipeline.events import EventLog
from pipeline.standing import (
    StandingQuestions,
    StandingWatch,
    Verdict,
    WordsAndMeaning,
    condition,
)


def passage(start: float, *lines: tuple[str, str], certain: bool = True) -> Passage:
    told = tuple(Line(start, start + 2, kind, text, certain) for kind, text in lines)
    return Passage(start, start + 5, told, start + 5)


def meaning(texts):
    """Texts that mean the same have the same vector: here all that speak of drink."""
    drink = {"coffee", "espresso", "tea"}
    vectors = np.zeros((len(texts), 2), np.float32)
    for row, text in enumerate(texts):
        vectors[row, 0 if drink & set(text.lower().split()) else 1] = 1
    vectors[0] = [1, 0]  # the condition is about drink
    return vectors


def levels(*likelihoods: float) -> StandingQuestions:
    remaining = list(likelihoods)
    return StandingQuestions(lambda text, passage: Verdict(remaining.pop(0)), cooldown=12)


@pytest.mark.parametrize(
    ("typed", "waited_for"),
    [
        ("Tell me when someone writes on the board", "someone writes on the board"),
        ("please let me know if a cat appears.", "a cat appears"),
        ("when you hear the word budget", "you hear the word budget"),
        ("Notify me as soon as the kettle boils", "the kettle boils"),
        ("When does the rocket lift off?", None),
        ("when did the cat appear", None),
        ("What is on the table when the cat appears?", None),
        ("Tell me what the sign says", None),
        ("", None),
    ],
)
def test_a_standing_question_is_told_from_a_question(typed, waited_for):
    assert condition(typed) == waited_for


def fire_times(questions: StandingQuestions, count: int) -> list[float]:
    return [f.time for k in range(count) for f in questions.take(passage(5.0 * k))]


def test_an_event_that_lasts_fires_once():
    questions = levels(0.1, 0.9, 0.9, 0.7, 0.9, 0.8)
    questions.add("tell me when it rains")
    assert fire_times(questions, 6) == [5.0]


def test_it_fires_again_only_after_it_fell_quiet_and_cooled_down():
    questions = levels(0.9, 0.5, 0.9, 0.1, 0.9, 0.1, 0.9)
    questions.add("tell me when it rains")
    # 0.5 is not quiet; at 20 s it was quiet and 12 s have passed; at 30 s they have not.
    assert fire_times(questions, 7) == [0.0, 20.0]


def test_an_event_within_the_cooldown_does_not_fire_late():
    questions = levels(0.9, 0.1, 0.9, 0.9, 0.9)
    questions.add("tell me when it rains")
    assert fire_times(questions, 5) == [0.0]


def test_what_was_over_before_the_question_does_not_fire():
    questions = StandingQuestions(WordsAndMeaning(meaning))
    questions.add("when you hear the word tea", since=3.0)
    assert questions.take(passage(0.0, ("heard", "a cup of tea"))) == []
    assert len(questions.take(passage(5.0, ("heard", "more tea")))) == 1


def test_a_removed_question_is_silent_and_an_empty_one_refused():
    questions = levels(0.9)
    number = questions.add("tell me when it rains")
    questions.remove(number)
    assert questions.questions == {}
    assert questions.take(passage(0.0)) == []
    with pytest.raises(ValueError, match="empty"):
        questions.add("  ")


def judged(text: str, *lines: tuple[str, str], certain: bool = True) -> Verdict:
    return WordsAndMeaning(meaning)(text, passage(0.0, *lines, certain=certain))


def test_named_words_are_matched_whole_and_by_ear_alone():
    assert judged("you hear the word tea", ("heard", "I like tea.")).likelihood == 1
    assert judged("you hear the word tea", ("heard", "a team of espresso")).likelihood == 0
    assert judged("you hear the word tea", ("read", "TEA")).likelihood == 0
    assert judged('someone says "good morning"', ("heard", "Good morning!")).likelihood == 1
    assert judged('someone says "good morning"', ("heard", "good evening")).likelihood == 0


def test_all_the_words_that_matter_suffice_in_any_form():
    found = judged("a prize is drawn", ("read", "welcome"), ("heard", "prizes were drawn"))
    assert found.likelihood == 1
    assert found.line is not None
    assert found.line.text == "prizes were drawn"


@pytest.mark.parametrize(
    ("waited_for", "there", "not_there"),
    [
        ("a price is mentioned", "It costs three dollars.", "Three dogs cost him his sleep."),
        ("the price of the coffee is mentioned", "Coffee is $3.", "Milk is $3."),
        ("the gate number is mentioned", "Go to gate 42.", "Go to the gate."),
        ("a phone number is mentioned", "Call 555 0100 123.", "Call me in 20 minutes."),
        ("a number is mentioned", "There were twenty.", "No one was there."),
        ("a number of people talk", "A number of people talk.", "There were 20."),
        ("a year is mentioned", "In nineteen ninety five she flew.", "At nineteen she flew."),
        ("a date is mentioned", "It opens on the third of May.", "You may open it."),
        ("somebody's name is mentioned", "Our guide is Amara Singh.", "Our guide is late."),
        ("somebody asks a question", "Where is it?", "It is here."),
    ],
)
def test_a_thing_of_the_kind_that_is_named_is_known_by_its_form(waited_for, there, not_there):
    assert judged(waited_for, ("heard", there)).likelihood == 1
    assert judged(waited_for, ("heard", not_there)).likelihood == 0


def test_what_speech_presents_counts_as_shown_and_what_it_only_mentions_does_not():
    assert judged("galaxies are shown", ("heard", "This picture shows a galaxy.")).likelihood == 1
    assert judged("galaxies are shown", ("heard", "He spoke of a galaxy.")).likelihood == 0
    assert judged("you hear about galaxies", ("heard", "He spoke of a galaxy.")).likelihood == 1


def test_likeness_in_meaning_counts_and_uncertain_labels_do_not():
    assert judged("coffee is served", ("seen", "espresso")).likelihood == 1
    assert judged("coffee is served", ("seen", "espresso"), certain=False).likelihood == 0
    assert judged("coffee is served", ("seen", "bicycle")).likelihood == 0
    assert judged("coffee is served").likelihood == 0


def test_the_watch_judges_each_new_segment_and_what_is_left_when_it_closes():
    log = EventLog()
    fired: list[float] = []
    first = threading.Event()
    questions = StandingQuestions(WordsAndMeaning(meaning), cooldown=1)
    questions.add("when you hear the word tea")

    def told(firing):
        fired.append(firing.time)
        first.set()

    def segment(index: int, text: str) -> Segment:
        said = Utterance(5.0 * index, 5.0 * index + 2, text)
        return Segment(index, 5.0 * index, 5.0 * index + 5, (said,), "pause")

    with StandingWatch(questions, log.after, 0.5, told):
        log.emit(segment(0, "tea"))
        assert first.wait(5)
        log.emit(segment(1, "nothing"))
        log.emit(segment(2, "tea again"))
    assert fired == [0.0, 10.0]
