from app.scoring.blind import Blind
from app.scoring.prompts import Prompts
from app.scoring.protocol import play
from app.scoring.questions import Kind
from models.reasoning.reasoner import Counts, Reply
from tests.app.scoring.fakes import question


class Knowing:
    """A reasoner that notes what it is asked and with which evidence."""

    name = "knowing"

    def __init__(self):
        self.asked = []

    def choose(self, question, options, evidence):
        self.asked.append((question, tuple(options), evidence))
        return [0.1, 0.7, 0.2][: len(options)], Counts(text=9, generated=1)

    def answer(self, question, evidence, cancelled=lambda: False):
        self.asked.append((question, (), evidence))
        return Reply(iter(["thr", "ee"]), Counts(generated=2))


def asked_blindly(asked, **more):
    reasoner = Knowing()
    blind = Blind(reasoner, {"engine": "any"})
    response = blind.open(None, 0.0, None).ask(next(play(asked, Prompts(), **more)))
    assert not blind.needs_video
    return reasoner.asked, response


def test_the_blind_baseline_chooses_by_the_question_alone():
    asked, response = asked_blindly(question(time=31.0))
    ((told, options, evidence),) = asked
    assert (told, options) == ("What is it?", ("a cat", "a dog", "a horse"))
    assert (evidence.passages, evidence.history) == ((), ())
    assert (response.chosen, response.tokens["text"]) == (1, 9)


def test_the_blind_baseline_answers_in_words_where_words_are_wanted():
    count = question(kind=Kind.COUNT, answer="3", options=())
    for asked, more in ((count, {}), (question(), {"free": True})):
        told, response = asked_blindly(asked, **more)
        assert told[0][0] == Prompts().of(asked)
        assert (response.text, response.chosen) == ("three", None)
        assert response.first_token <= response.seconds
