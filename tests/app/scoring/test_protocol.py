import pytest

from app.scoring.candidate import Response
from app.scoring.prompts import Prompts, load_prompts
from app.scoring.protocol import play
from app.scoring.questions import DataError, Earlier, Kind
from tests.app.scoring.fakes import question


def held(asked, reply, prompts=None):
    """Plays a question; gives the asks and the result."""
    conversation = play(asked, prompts or Prompts())
    asks = []
    try:
        ask = next(conversation)
        while True:
            asks.append(ask)
            ask = conversation.send(reply(ask))
    except StopIteration as end:
        return asks, end.value


def proactive(**changes):
    return question(kind=Kind.PROACTIVE, time=20.0, due=29.0, answer="three", options=(), **changes)


@pytest.mark.parametrize(
    ("window", "time", "span"),
    [(60.0, 100.0, (40, 100)), (60.0, 10.0, (0, 10)), (None, 99.0, (0, 99))],
)
def test_a_choice_is_asked_once_over_its_window(window, time, span):
    asks, result = held(question(window=window, time=time), lambda ask: Response("B"))
    assert [(ask.start, ask.time) for ask in asks] == [span]
    assert result.strict is True


def test_a_choice_by_probability_is_the_reply_by_both_rules():
    _, result = held(question(), lambda ask: Response("so I think", chosen=1))
    assert (result.reply, result.choice, result.published, result.strict) == ("B", "B", True, True)


def test_a_proactive_question_is_polled_every_second_up_to_four_past_the_truth():
    asks, result = held(proactive(), lambda ask: Response("no"))
    assert [ask.time for ask in asks] == [float(t) for t in range(21, 34)]
    assert {ask.start for ask in asks} == {20.0}
    assert (result.published, result.strict, result.fired) == (False, False, None)


@pytest.mark.parametrize(
    ("when", "right"), [(26, False), (27, True), (29, True), (31, True), (32, False)]
)
def test_a_proactive_output_counts_within_two_seconds(when, right):
    def reply(ask):
        if ask.kind is Kind.PROACTIVE:
            return Response("Three!")
        return Response("Yes" if ask.time >= when else "No")

    asks, result = held(proactive(), reply)
    assert asks[-1].time == asks[-2].time == when
    assert (result.fired, result.published, result.strict) == (when, right, right)


def test_a_proactive_prompt_never_gives_the_output_away_but_in_the_poll():
    asks, _ = held(proactive(), lambda ask: Response("yes"))
    assert "three" in asks[0].prompt
    assert "three" not in asks[1].prompt


def test_earlier_questions_stand_before_a_sequential_one_and_its_own_answer_does_not():
    turn = Earlier("00:00:36", "Who serves?", ("Ann", "Ben"), "A")
    text = Prompts().of(question(history=(turn,), answer="C"))
    assert text.index("Who serves?") < text.index("What is it?")
    assert "right answer was A" in text and "answer was C" not in text


def test_an_engine_that_chooses_gets_what_stands_before_a_question_and_the_options_apart():
    turn = Earlier("00:00:36", "Who serves?", ("Ann", "Ben"), "A")
    (ask,), _ = held(question(history=(turn,)), lambda ask: Response("B"))
    told, options = ask.request
    assert "Who serves?" in told and told.endswith("What is it?")
    assert options == ("a cat", "a dog", "a horse")
    assert Prompts().bare(question()) == "What is it?"


@pytest.mark.parametrize("asked", [question(), question(kind=Kind.YES_NO, answer="yes")])
def test_a_free_reply_is_asked_for_by_the_whole_prompt(asked):
    ask = next(play(asked, Prompts(), free=True))
    assert ask.request == (Prompts().of(asked), ())


def test_a_yes_or_no_request_says_what_is_asked_and_not_how_to_reply_where_options_are_apart():
    asked = question(kind=Kind.YES_NO, task="CRR", answer="yes", options=())
    ask = next(play(asked, Prompts()))
    assert ask.request[0].startswith("Has the video so far") and ask.request[0].endswith('?"?')
    assert ask.prompt.startswith(ask.request[0]) and ask.prompt.endswith("shown so far.")
    poll = next(play(proactive(), Prompts()))
    assert poll.request == ('What is it? Is now the time to say "three"?', ("Yes", "No"))


def test_official_wording_is_data_that_replaces_ours(tmp_path):
    path = tmp_path / "official.json"
    path.write_text('{"choice": "Q {question} O {options}"}')
    prompts = load_prompts(path)
    assert prompts.of(question()) == "Q What is it? O A. a cat\nB. a dog\nC. a horse"
    assert prompts.digest != Prompts().digest


@pytest.mark.parametrize(
    "text", ["[]", '{"choice": 1}', '{"choice": "{answr}"}', '{"choice": "{"}']
)
def test_wording_that_cannot_be_filled_is_refused(tmp_path, text):
    path = tmp_path / "official.json"
    path.write_text(text)
    with pytest.raises(DataError, match="official"):
        load_prompts(path)
