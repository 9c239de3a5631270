import pytest

from app.scoring.extraction import malformed, named_option, published_mark, strict_mark, yes_or_no
from app.scoring.questions import Kind
from tests.app.scoring.fakes import question


@pytest.mark.parametrize(
    ("reply", "correct"),
    [("B", True), ("B. dog", True), ("The answer is B", False), (" B", False), ("b", False)],
)
def test_streamingbench_compares_the_first_character(reply, correct):
    assert published_mark(question(benchmark="streamingbench"), reply).correct is correct


@pytest.mark.parametrize("reply", ["", None])
def test_streamingbench_leaves_empty_replies_out(reply):
    assert published_mark(question(benchmark="streamingbench"), reply).correct is None
    assert strict_mark(question(benchmark="streamingbench"), reply).correct is False


@pytest.mark.parametrize(
    ("reply", "correct"), [("BAD", True), ("A, B", True), ("b", False), (None, False), ([], False)]
)
def test_ovo_bench_looks_for_the_letter_anywhere(reply, correct):
    assert published_mark(question(benchmark="ovo-bench"), reply).correct is correct


@pytest.mark.parametrize(
    ("reply", "correct"), [("12", True), ("1 or 2", True), ("twelve", False), ("", False)]
)
def test_ovo_bench_joins_the_digits_of_a_count(reply, correct):
    asked = question(benchmark="ovo-bench", kind=Kind.COUNT, answer="12", options=())
    assert published_mark(asked, reply).correct is correct


@pytest.mark.parametrize(
    ("reply", "correct"), [("Yes", True), ("Y", True), ("yes", False), ("No, Yes", True)]
)
def test_ovo_bench_yes_and_no(reply, correct):
    asked = question(benchmark="ovo-bench", kind=Kind.YES_NO, answer="yes", options=())
    assert published_mark(asked, reply).correct is correct


@pytest.mark.parametrize(
    ("reply", "correct"), [("a cup, so B", False), ("(b)", True), ("option B.", True)]
)
def test_streamgaze_takes_the_first_stand_alone_letter(reply, correct):
    assert published_mark(question(benchmark="streamgaze"), reply).correct is correct


def test_streamgaze_takes_not_yes_for_yes_and_the_strict_rule_does_not():
    asked = question(benchmark="streamgaze", kind=Kind.YES_NO, answer="yes", options=())
    assert published_mark(asked, "not yes").correct is True
    assert strict_mark(asked, "not yes").correct is False


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("B", "B"),
        (" B \n", "B"),
        ("(B)", "B"),
        ("B. a dog", "B"),
        ("**B**", "B"),
        ("The answer is B.", "B"),
        ("Answer: B", "B"),
        ("a dog", "B"),
        ("A dog.", "B"),
        ("A, B", ""),
        ("A cup", ""),
        ("", ""),
        ("BAD", ""),
        ("I cannot say", ""),
        ("D", ""),
    ],
)
def test_strict_rule_wants_exactly_one_option(reply, letter):
    assert named_option(reply, ("a cat", "a dog", "a horse")) == letter


def test_strict_rule_prefers_the_constrained_choice():
    assert strict_mark(question(), "rambling", choice="B").correct is True


@pytest.mark.parametrize(
    ("reply", "said"),
    [("Yes.", "yes"), ("no", "no"), ("yes and no", ""), ("not yes", ""), ("yesterday", "")],
)
def test_strict_yes_or_no(reply, said):
    assert yes_or_no(reply) == said


@pytest.mark.parametrize(
    ("reply", "correct"),
    [
        ("3", True),
        ("three times", True),
        ("03", True),
        ("1 or 3", False),
        ("", False),
        ("13", False),
    ],
)
def test_strict_count_is_the_only_number(reply, correct):
    asked = question(kind=Kind.COUNT, answer="3", options=())
    assert strict_mark(asked, reply).correct is correct


def test_malformed_replies_are_named():
    assert [malformed(r) for r in (None, [], " ", "B")] == [
        "null",
        "a list, not a text",
        "empty",
        "",
    ]
