"""Each cue of the gaze changes what a model is given, and none changes how much."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models.compression.slow_fast import SlowFast
from models.gaze.cues import Cues
from models.reasoning.multimodal import looks
from models.reasoning.multimodal.engine import load_multimodal
from models.reasoning.multimodal.generic import GenericModel
from models.reasoning.multimodal.streaming import MultimodalModel, MultimodalReasoner
from models.reasoning.reasoner import Counts, Evidence, Gazed, Line, Passage, ReasonerError
from models.reasoning.slow import choose
from tests.models.reasoning.multimodal.rig import Rig, rig, shots
from tests.models.reasoning.multimodal.tiny import save_llava

QUESTION = "what is seen?"
SPARE = SlowFast(fast_tokens_per_minute=240, slow_tokens_per_minute=120)


@pytest.fixture(params=["qwen3_vl", "smolvlm"])
def side(request: pytest.FixtureRequest) -> Rig:
    return rig(request.param)


def passages(side: Rig, count: int, looked: tuple[int, ...] = (0, 1, 2, 3)) -> list[Passage]:
    """Segments of four seconds; in each of ``looked`` the gaze rests for all of it."""
    return [
        Passage(
            start=4.0 * i,
            end=4.0 * i + 4,
            lines=(
                Line(4.0 * i, 4.0 * i + 1, "heard", "hello"),
                *([Line(4.0 * i, 4.0 * i + 4, "gaze", "a cup")] if i in looked else []),
            ),
            known_at=4.0 * i + 4,
            frames=tuple(shot.frames),
            frame_times=tuple(shot.times),
            looks=(Gazed(4.0 * i, 4.0 * i + 4, 0.2, 0.3, "a cup"),) if i in looked else (),
        )
        for i, shot in enumerate(shots(count, False))
    ]


def reasoner(side: Rig, cues: Cues, **options: Any) -> MultimodalReasoner:
    defaults: dict[str, Any] = {"context_tokens": 2048, "chunk": 64, "answer_tokens": 8}
    defaults |= {"compressor": SPARE, "slow_tokens": 64, "gaze": cues}
    made = MultimodalModel("tiny", side.family, side.tiny.model, **(defaults | options))
    made.gate.patience = 0.0
    return made.reasoner()


def watched(side: Rig, cues: Cues, seen: list[Passage], **options: Any) -> MultimodalReasoner:
    made = reasoner(side, cues, **options)
    for passage in seen:
        made.watch(passage)
    return made


def encoded(monkeypatch: pytest.MonkeyPatch, side: Rig) -> list[np.ndarray]:
    """All pictures that the vision tower is given from now on."""
    given: list[np.ndarray] = []
    encode = side.family.encode

    def noted(frames: Any, times: Any) -> Any:
        given.extend(frames)
        return encode(frames, times)

    monkeypatch.setattr(side.family, "encode", noted)
    return given


def test_words_say_where_the_gaze_rested_or_nothing_of_it(side: Rig) -> None:
    passage = passages(side, 1)[0]
    told = reasoner(side, Cues(text=True))._told(passage)
    assert "looked at a cup (upper left, at (0.20, 0.30)) for 4.0 s" in told and "hello" in told
    untold = reasoner(side, Cues(drawn=True))._told(passage)
    assert "cup" not in untold and "hello" in untold
    pieces = tuple(Gazed(a, a + 2.0, 0.2, 0.3, "a cup") for a in (0.0, 2.0))
    assert reasoner(side, Cues(text=True))._told(replace(passage, looks=pieces)) == told
    summed_up = replace(passage, looks=())
    assert 'gaze: "a cup"' in reasoner(side, Cues(text=True))._told(summed_up)


def test_the_gaze_is_drawn_into_the_pictures_that_are_encoded(
    side: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = passages(side, 2, looked=(1,))
    given = encoded(monkeypatch, side)
    made = reasoner(side, Cues(drawn=True))
    for passage in seen:
        for frame, time in zip(passage.frames, passage.frame_times, strict=True):
            made.see(frame, time)  # before it is known where somebody looks
        assert len(given) == (0 if passage is seen[0] else len(seen[0].frames))
        made.watch(passage)
    count = len(seen[0].frames)
    assert all(a is b for a, b in zip(given[:count], seen[0].frames, strict=True))
    height, width = seen[1].frames[0].shape[:2]
    for drawn, frame in zip(given[count:], seen[1].frames, strict=True):
        assert tuple(drawn[round(0.3 * height), round(0.2 * width)]) == (0, 255, 0)
        assert (frame != drawn).any()
    counts = Counts()
    made._ask(QUESTION, Evidence(8.0, ()), counts)
    plain = Counts()
    watched(side, Cues(), seen)._ask(QUESTION, Evidence(8.0, ()), plain)
    sentence = side.family.render([looks.DRAWN_MEANS + "\n"])
    assert counts.slow - plain.slow == pytest.approx(len(sentence), abs=2)
    assert made.context_tokens == watched(side, Cues(), seen).context_tokens


def test_a_map_of_the_scanpath_goes_before_the_question_within_the_same_budget(
    side: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = passages(side, 3)
    without, made = (watched(side, Cues(saliency=mapped), seen) for mapped in (False, True))
    given = encoded(monkeypatch, side)
    evidence = Evidence(12.0, tuple(seen))
    shown = made._scanpath(evidence)
    assert shown is not None and len(given) == 1
    brightest = np.unravel_index(given[0][..., 0].argmax(), given[0].shape[:2])
    height, width = given[0].shape[:2]
    assert brightest[0] / height == pytest.approx(0.3, abs=0.05)
    assert brightest[1] / width == pytest.approx(0.2, abs=0.05)
    assert without._scanpath(evidence) is None
    assert made._scanpath(Evidence(12.0, tuple(passages(side, 3, ())))) is None

    def visual(parts: list[Any]) -> int:
        return sum(len(p.visual) for p in parts if not isinstance(p, str) and p.visual)

    asked = side.family.render([QUESTION])
    left = 64 - len(shown)
    detail = made._detail(made._rolling.view(), evidence, asked, True, left)
    assert len(shown) <= 64 // looks.MAP_SHARE
    assert visual(detail) + len(shown) <= 64


def test_tokens_are_dense_around_the_gaze_and_as_many_as_without(side: Rig) -> None:
    seen = passages(side, 2, looked=(1,))
    plain, fine = watched(side, Cues(), seen), watched(side, Cues(foveated=True), seen)
    assert plain.context_tokens == fine.context_tokens
    assert plain._slow is not None and fine._slow is not None
    assert plain._slow.counts() == fine._slow.counts()
    before, after = (each._slow.get(0) for each in (plain, fine) if each._slow)
    assert before is not None and after is not None
    assert torch.equal(before.tokens, after.tokens)  # nobody looked anywhere
    before, after = (each._slow.get(1) for each in (plain, fine) if each._slow)
    assert before is not None and after is not None
    assert not torch.equal(before.tokens, after.tokens)
    assert "".join(fine.answer(QUESTION, Evidence(8.0, tuple(seen))))


def test_foveated_tokens_lie_closer_together_where_the_gaze_was() -> None:
    side = rig("qwen3_vl")  # of the larger grid
    (passage,) = passages(side, 1)
    made = reasoner(side, Cues(foveated=True))
    (run,) = made._look(passage, made._model.gate.background)
    coarse = SlowFast(slow_tokens_per_minute=15 * run.tokens[..., 0].numel() / 2)
    tokens = looks.slow(coarse, run, 4.0, passage.looks, Cues(foveated=True))
    assert len(tokens) == len(coarse.slow(run, 4.0)) < run.tokens[..., 0].numel()
    places = (tokens.grid[:, 1:] + 0.5) / torch.tensor(tokens.size[1:])
    near = (places - torch.tensor([0.3, 0.2])).norm(dim=1)
    far = (places - torch.tensor([0.7, 0.8])).norm(dim=1)
    assert int((near < 0.35).sum()) > int((far < 0.35).sum())


def test_fast_tokens_weigh_what_was_looked_at_more(side: Rig) -> None:
    (passage,) = passages(side, 1)
    made = reasoner(side, Cues(foveated=True))
    (run,) = made._look(passage, made._model.gate.background)
    weighed, plain = (
        looks.fast(SlowFast(30), run, 4.0, passage.looks, Cues(foveated=on)) for on in (True, False)
    )
    assert len(weighed) == len(plain)
    assert not torch.equal(weighed.tokens, plain.tokens)


def test_a_segment_that_was_looked_at_is_brought_in_before_others(
    side: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.reasoning.multimodal import streaming

    seen = passages(side, 7, looked=(1,))
    found = []

    def noted(*given: Any) -> Any:
        chosen = choose(*given)
        found.append({each.key for each in chosen})
        return chosen

    monkeypatch.setattr(streaming, "choose", noted)
    monkeypatch.setattr(streaming, "relevance", lambda view, a, n, spans: [0.0] * len(spans))
    for cues in (Cues(), Cues(choice=True)):
        watched(side, cues, seen)._ask(QUESTION, Evidence(28.0, ()), Counts())
    without, with_choice = found
    assert 1 not in without and 1 in with_choice and len(without) == len(with_choice)


def test_of_a_segment_the_frames_looked_at_have_the_higher_scores(side: Rig) -> None:
    (passage,) = passages(side, 1)
    first, *_, last = passage.frame_times
    late = replace(passage, looks=(Gazed(last - 0.1, last + 0.5, 0.5, 0.5),))
    paid = looks.attention(late, passage.frame_times)
    assert paid.frames[0] == 0 < paid.frames[-1] and 0 < paid.segment < 1
    assert looks.best_frame(late, Cues(choice=True)) == len(passage.frames) - 1
    assert looks.best_frame(late, Cues()) == len(passage.frames) // 2
    assert first < last


def test_any_other_model_is_given_the_cues_its_pictures_can_have(
    tmp_path: Any, side: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(save_llava(tmp_path / "llava"))
    with pytest.raises(ReasonerError, match="foveated"):
        load_multimodal(folder, gaze="text,foveated")
    made = load_multimodal(folder, gaze="text,drawn,saliency")
    plain = load_multimodal(folder, gaze="none")
    assert isinstance(made, GenericModel) and isinstance(plain, GenericModel)
    assert load_multimodal(folder).gaze == Cues(text=True, choice=True)
    seen = tuple(passages(side, 9))
    shown, said = [], []
    for model in (made, plain):
        contents: list[dict[str, Any]] = []
        template = model.processor.apply_chat_template

        def noted(turns: Any, into: Any = contents, through: Any = template, **options: Any) -> Any:
            into.extend(turns[0]["content"])
            return through(turns, **options)

        monkeypatch.setattr(model.processor, "apply_chat_template", noted, raising=False)
        model.reasoner()._inputs(QUESTION, Evidence(36.0, seen), Counts())
        shown.append([np.asarray(c["image"]) for c in contents if c["type"] == "image"])
        said.append("".join(c["text"] for c in contents if c["type"] == "text"))
    assert len(shown[0]) == len(shown[1])
    assert "(0.20, 0.30)" in said[0] and "green dot" in said[0] and "brighter" in said[0]
    assert "cup" not in said[1] and "green" not in said[1]


def test_an_unknown_cue_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(ReasonerError, match="psychic"):
        load_multimodal("nowhere/at-all", gaze="psychic")
