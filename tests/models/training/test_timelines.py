"""Made-up timelines tell what their questions' answers say, and give nothing else away."""

from __future__ import annotations

from collections import Counter

from models.training.timelines import HELD_OUT, NOT_SEEN, TRAINED, made

TIMELINES = [made(seed) for seed in range(300)]


def test_a_timeline_is_made_from_its_seed_alone() -> None:
    for seed in range(20):
        again = made(seed)
        assert again.asked == TIMELINES[seed].asked
        assert [p.lines for p in again.passages] == [p.lines for p in TIMELINES[seed].passages]
    assert len({timeline.asked for timeline in TIMELINES}) == len(TIMELINES)
    assert made(1_000_000_007).asked != made(7).asked


def test_training_and_held_out_domains_are_others() -> None:
    assert not set(TRAINED) & set(HELD_OUT)
    assert {timeline.domain for timeline in TIMELINES} <= set(TRAINED)
    assert {made(seed, HELD_OUT).domain for seed in range(40)} <= set(HELD_OUT)


def test_each_timeline_has_questions_of_both_forms() -> None:
    forms = Counter[bool]()
    for timeline in TIMELINES:
        assert 5 <= len(timeline.passages) <= 40
        assert 8 <= len(timeline.asked) <= 14
        assert len({question.text for question in timeline.asked}) == len(timeline.asked)
        assert len(timeline.grounds) == len(timeline.asked)
        for question in timeline.asked:
            forms[bool(question.options)] += 1
            if question.options:
                assert question.options.count(question.answer) == 1
                assert len(set(question.options)) == len(question.options)
    assert 0.4 < forms[True] / forms.total() < 0.6


def test_what_is_not_told_has_no_grounds() -> None:
    shares = Counter[bool]()
    for timeline in TIMELINES:
        for question, grounds in zip(timeline.asked, timeline.grounds, strict=True):
            unanswerable = question.kind == "unanswerable"
            shares[unanswerable] += 1
            assert unanswerable == (question.answer == NOT_SEEN)
            assert not (unanswerable and grounds)
            assert all(0 <= place < len(timeline.passages) for place in grounds)
    assert 0.08 < shares[True] / shares.total() < 0.18
