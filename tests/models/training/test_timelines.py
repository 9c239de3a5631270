"""Made-up timelines tell what their questions' answers say, and give nothing else away."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from app.home import ROOT
from models.reasoning.prompt import clock, shown
from models.training.timelines import HELD_OUT, NOT_SEEN, TRAINED, Asked, Timeline, made
from models.training.timelines.domains import domains
from models.training.timelines.story import words
from models.training.timelines.wordings import WORDINGS

TIMELINES = [made(seed) for seed in range(1200)]
STRANGE = [made(seed, HELD_OUT) for seed in range(600)]

DECIDED = {
    "yes or no": ("yes", "no"),
    "is it still": ("yes", "no"),
    "proactive": ("yes", "now", "not yet"),
}
COMPOSED = {"how many", "before or after", "first or last", "action", "sequence", "order"}
"""Kinds whose answers are not in the timeline word by word."""


UNSAID = {"a", "an", "the", "in", "on", "at", "to", "by", "because", "bus"}
"""Words of an answer that need not be quoted."""


def questions(timelines: list[Timeline]) -> list[tuple[Timeline, Asked, tuple[int, ...]]]:
    return [
        (timeline, question, grounds)
        for timeline in timelines
        for question, grounds in zip(timeline.asked, timeline.grounds, strict=True)
    ]


def told(timeline: Timeline, places: tuple[int, ...]) -> str:
    """The words that some passages show."""
    return words("".join(shown(timeline.passages[place]) for place in places))


def bare(answer: str) -> str:
    """A free answer without its time."""
    return re.sub(r", at [\d:]+$", "", answer)


def test_a_timeline_is_made_from_its_seed_alone() -> None:
    for seed in range(20):
        again = made(seed)
        assert again.asked == TIMELINES[seed].asked
        assert [p.lines for p in again.passages] == [p.lines for p in TIMELINES[seed].passages]
    assert len({timeline.asked for timeline in TIMELINES}) == len(TIMELINES)
    assert made(1_000_000_007).asked != made(7).asked


def test_another_process_makes_the_same() -> None:
    program = (
        "from models.training.timelines import made; print([made(n).asked for n in range(60)])"
    )
    told = subprocess.run(
        [sys.executable, "-c", f"from {made.__module__} import made; {program}"],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    assert told.stdout.strip() == str([timeline.asked for timeline in TIMELINES[:60]])


def test_training_and_held_out_domains_share_nothing_of_their_own() -> None:
    assert len(TRAINED) >= 16
    assert len(HELD_OUT) >= 6
    assert not set(TRAINED) & set(HELD_OUT)
    assert {timeline.domain for timeline in TIMELINES} == set(TRAINED)
    assert {timeline.domain for timeline in STRANGE} == set(HELD_OUT)
    trained, held_out = domains("trained").values(), domains("held_out").values()
    for sort in ("facts", "events", "states", "untold", "chat"):
        seen = [one for domain in trained for one in getattr(domain, sort)]
        assert not [one for domain in held_out for one in getattr(domain, sort) if one in seen]


def test_some_wordings_are_held_out() -> None:
    for key, wordings in WORDINGS["held_out"].items():
        assert wordings
        assert set(wordings) & set(WORDINGS["trained"][key])
    own = {
        key
        for key in WORDINGS["held_out"]
        if set(WORDINGS["held_out"][key]) - set(WORDINGS["trained"][key])
    }
    assert len(own) > 15


def test_a_timeline_looks_like_the_engines_own() -> None:
    kinds = Counter[str]()
    for timeline in TIMELINES:
        assert 5 <= len(timeline.passages) <= 40
        for passage, following in pairwise(timeline.passages):
            assert passage.start < passage.end == following.start
        for passage in timeline.passages:
            kinds.update(line.kind for line in passage.lines)
            kinds["unsure"] += any(not line.certain for line in passage.lines)
            assert passage.known_at >= max([passage.end, *(line.end for line in passage.lines)])
    for kind in ("heard", "read", "seen", "look", "gaze", "gap", "note", "unsure"):
        assert kinds[kind] > 50, kind


def test_each_timeline_has_questions_of_both_forms() -> None:
    forms = Counter[bool]()
    for timeline in TIMELINES:
        assert 8 <= len(timeline.asked) <= 14
        assert len({question.text for question in timeline.asked}) == len(timeline.asked)
        assert len(timeline.grounds) == len(timeline.asked)
    for timeline, question, grounds in questions(TIMELINES + STRANGE):
        forms[bool(question.options)] += 1
        assert "{" not in question.text + question.answer
        assert all(0 <= place < len(timeline.passages) for place in grounds)
        if question.options:
            assert 2 <= len(question.options) <= 5
            assert question.options.count(question.answer) == 1
            assert len({option.lower() for option in question.options}) == len(question.options)
    assert 0.4 < forms[True] / forms.total() < 0.6


def test_free_answers_quote_the_passages_that_hold_them() -> None:
    quoted = Counter[str]()
    for timeline, question, grounds in questions(TIMELINES + STRANGE):
        answer = bare(question.answer)
        if question.options or not grounds or question.kind in COMPOSED | {"gap", "summary"}:
            continue
        if answer.startswith("at ") or answer in ("yes", "no", "now", "not yet", "spoken"):
            continue
        if question.kind == "heard or read":
            continue
        said = told(timeline, grounds)
        quotes = words(answer).split()
        if question.kind in ("text", "number"):  # the other words of a sign may be misread
            quotes = [word for word in quotes if any(map(str.isdigit, word))]
        missing = {word for word in quotes if word not in said}
        missing -= set(words(question.text).split())  # which may be misheard
        assert missing <= UNSAID, (question, said)
        quoted[question.kind] += 1
    assert len(quoted) > 12


def test_times_in_answers_are_those_of_the_passages() -> None:
    checked = 0
    for timeline, question, grounds in questions(TIMELINES + STRANGE):
        found = re.search(r"\bat (\d+:\d\d(?::\d\d)?)$", question.answer)
        if found and not question.options and grounds:
            assert found[1] == clock(timeline.passages[grounds[0]].start), question
            checked += 1
    assert checked > 2000


def test_things_seen_are_counted_as_shown() -> None:
    counted = 0
    names = ["one", "two", "three", "four", "five"]
    for timeline, question, grounds in questions(TIMELINES):
        if question.kind == "how many" and question.answer != NOT_SEEN:
            number = question.answer.lower().strip(".")
            assert (int(number) if number.isdigit() else names.index(number) + 1) == len(grounds)
            what = re.search(r'"(.+)"', question.text)
            if what:
                heard = [
                    words(" | ".join(line.text for line in passage.lines if line.kind == "heard"))
                    for passage in timeline.passages
                ]
                assert sum(words(what[1]) in said for said in heard) == len(grounds)
                counted += 1
    assert counted > 50


def test_what_is_not_told_has_no_grounds() -> None:
    shares = Counter[bool]()
    for _, question, grounds in questions(TIMELINES):
        unanswerable = question.kind == "unanswerable"
        shares[unanswerable] += 1
        assert unanswerable == (question.answer == NOT_SEEN)
        assert not (unanswerable and grounds)
    assert 0.1 < shares[True] / shares.total() < 0.16


@pytest.mark.parametrize("kind", DECIDED)
def test_both_answers_are_as_frequent(kind: str) -> None:
    answers = Counter(q.answer.split(",")[0] for _, q, _ in questions(TIMELINES) if q.kind == kind)
    assert set(answers) == set(DECIDED[kind])
    against = answers[DECIDED[kind][-1]] / answers.total()
    assert 0.42 < against < 0.58


def test_every_kind_is_asked_on_both_sides() -> None:
    trained = Counter(question.kind for _, question, _ in questions(TIMELINES))
    strange = Counter(question.kind for _, question, _ in questions(STRANGE))
    wanted = {
        *("what", "attribute", "action", "when", "how many", "before or after", "order", "where"),
        *("first or last", "who said", "said about", "text", "number", "price", "why", "who"),
        *("state now", "state before", "is it still", "yes or no", "unanswerable", "proactive"),
        *("summary", "gaze", "at the same time", "heard or read", "scene", "sequence", "gap"),
    }
    assert wanted <= set(trained)
    assert wanted <= set(strange)
    assert max(trained.values()) < 0.16 * trained.total()


def _shares(timelines: list[Timeline]) -> Counter[tuple[str, str, bool]]:
    """How often an option of a kind is right and wrong."""
    return Counter(
        (question.kind, option.lower().strip("."), option == question.answer)
        for _, question, _ in questions(timelines)
        for option in question.options
    )


def _alike(option: str, others: tuple[str, ...]) -> int:
    return sum(len(set(words(option).split()) & set(words(other).split())) for other in others)


def _commonest(timelines: list[Timeline]) -> Callable[[Asked], str]:
    shares = _shares(timelines)

    def guess(question: Asked) -> str:
        def rate(option: str) -> float:
            key = question.kind, option.lower().strip(".")
            right, wrong = shares[*key, True], shares[*key, False]
            return (right + 1) / (right + wrong + 3)

        return max(question.options, key=rate)

    return guess


GUESSES: dict[str, Callable[[Asked], str]] = {
    "the first": lambda question: question.options[0],
    "the last": lambda question: question.options[-1],
    "the longest": lambda question: max(question.options, key=len),
    "the shortest": lambda question: min(question.options, key=len),
    "the most like the others": lambda q: max(q.options, key=lambda o: _alike(o, q.options)),
    "the least like the others": lambda q: min(q.options, key=lambda o: _alike(o, q.options)),
    "the most like the question": lambda q: max(q.options, key=lambda o: _alike(o, (q.text,))),
    "what is right most often": _commonest(TIMELINES[:600]),
}


@pytest.mark.parametrize("guess", GUESSES)
def test_who_does_not_read_the_timeline_is_near_chance(guess: str) -> None:
    right = chance = asked = 0.0
    for _, question, _ in questions(TIMELINES[600:]):
        if question.options and NOT_SEEN not in question.options:
            asked += 1
            chance += 1 / len(question.options)
            right += GUESSES[guess](question) == question.answer
    assert asked > 2000
    assert right / asked < chance / asked + 0.05


def test_an_option_that_is_not_seen_is_right_as_often_as_others() -> None:
    offered = [q for _, q, _ in questions(TIMELINES) if NOT_SEEN in q.options]
    right = sum(question.answer == NOT_SEEN for question in offered) / len(offered)
    expected = sum(1 / len(question.options) for question in offered) / len(offered)
    assert abs(right - expected) < 0.07


def test_words_of_the_timeline_alone_do_not_answer() -> None:
    right = asked = 0
    for timeline, question, _ in questions(TIMELINES):
        if len(question.options) > 2 and question.kind not in ("unanswerable", "said about"):
            said = told(timeline, tuple(range(len(timeline.passages))))
            there = [option for option in question.options if words(option) in said]
            asked += 1
            right += (there[0] if there else question.options[0]) == question.answer
    assert right / asked < 0.5


def test_speaking_of_a_thing_is_not_seeing_it() -> None:
    checked = 0
    for timeline, question, grounds in questions(TIMELINES + STRANGE):
        asked = re.search(r"(?:first|last) mentioned|first speak", question.text)
        if asked and grounds and question.answer != NOT_SEEN:
            for place in grounds:
                kinds = {line.kind for line in timeline.passages[place].lines}
                assert kinds & {"heard", "read"}, question
            checked += 1
    assert checked > 200
