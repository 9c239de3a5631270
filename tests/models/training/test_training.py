"""Training: repeatable, resumable, of the new weights alone, and the arms on equal terms."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from models.media import SAMPLE_RATE
from models.training import features
from models.training import hybrid as training
from models.training.arms import Batch
from models.training.features import CHANNELS, GRID, Sensed, Senses, spectrum
from models.training.hybrid import HELD_OUT, Trainer
from models.training.measure import score, table
from models.training.scenes import SECONDS, Scene
from tests.models.reasoning.test_context import one_thread, tiny  # noqa: F401


class Words:
    """A tokenizer of whole words; the tiny model's vocabulary has room for 96."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {}

    def __call__(self, text: str, add_special_tokens: bool) -> SimpleNamespace:
        words = text.replace("\n", " . ").replace("?", " ?").split()
        return SimpleNamespace(
            input_ids=[self.known.setdefault(word, len(self.known)) for word in words]
        )


WORDS = Words()


class Made:
    """Features that tell the scene's things apart, without looking at pictures."""

    seeds: list[int]

    def __init__(self, folder: Path) -> None:
        self.seeds = []

    def scene(self, scene: Scene) -> Sensed:
        self.seeds.append(scene.seed)
        noise = np.random.default_rng(scene.seed)
        pictures = noise.normal(size=(SECONDS, GRID, GRID, CHANNELS))
        sounds = noise.normal(size=(SECONDS, CHANNELS))
        return Sensed(torch.tensor(pictures).float(), torch.tensor(sounds).float())


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(training, "Senses", Made)
    return tiny("llama")


def trainer(folder: Path, model: Any, steps: int = 6, seed: int = 0) -> Trainer:
    folder.mkdir(exist_ok=True)
    return Trainer(folder, model, WORDS, seed, 8, steps)


def state(made: Trainer) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": weight.clone()
        for name, arm in made.arms.items()
        for key, weight in arm.weights.state_dict().items()
    }


def test_interrupted_training_ends_where_an_uninterrupted_one_does(
    tmp_path: Path, model: Any
) -> None:
    whole = trainer(tmp_path / "whole", model)
    whole.run(minutes=1)
    first = trainer(tmp_path / "parts", model)
    for _ in range(2):
        first.step()
    first.save()
    second = trainer(tmp_path / "parts", model)
    assert second.done == 2
    second.run(minutes=1)
    assert second.done == whole.done == 6
    expected = state(whole)
    assert all(torch.equal(weight, expected[name]) for name, weight in state(second).items())
    lines = (tmp_path / "whole" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    kept = load_file(tmp_path / "whole" / "hybrid.safetensors")
    assert {f"hybrid.{name}" for name in kept} == {k for k in expected if k.startswith("hybrid.")}


def test_a_run_is_not_continued_with_other_settings(tmp_path: Path, model: Any) -> None:
    trainer(tmp_path, model).save()
    with pytest.raises(SystemExit, match="use another folder, or the same settings"):
        trainer(tmp_path, model, seed=1)


def test_training_changes_the_new_weights_and_not_the_decoder(tmp_path: Path, model: Any) -> None:
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    made = trainer(tmp_path, model)
    new = state(made)
    made.step()
    made.step()  # the gates open with the first, and what is behind them moves with the second
    after = model.state_dict()
    assert all(torch.equal(weight, after[name]) for name, weight in before.items())
    same = [name for name, weight in state(made).items() if torch.equal(weight, new[name])]
    assert not same


def test_arms_begin_alike_and_prefill_as_many_tokens(tmp_path: Path, model: Any) -> None:
    made = trainer(tmp_path, model)
    lengths = []
    hook = model.get_decoder().register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["inputs_embeds"].shape),
        with_kwargs=True,
    )
    batch = made.batch(0)
    losses = {name: arm.loss(batch)[0] for name, arm in made.arms.items()}
    hook.remove()
    assert lengths[0] == lengths[1]
    assert torch.equal(losses["hybrid"], losses["fast"]), "the gates are closed"
    assert list(made.arms["hybrid"].hybrid.layers) == [0]
    assert not made.arms["fast"].hybrid.layers


def test_only_the_hybrid_sees_slow_tokens(tmp_path: Path, model: Any) -> None:
    made = trainer(tmp_path, model)
    for layer in made.arms["hybrid"].hybrid.layers.values():
        layer.strength.data.fill_(2.0)
    batch = made.batch(0)
    others = made.batch(1).sensed
    seconds = min(len(s.sounds) for s in [*batch.sensed, *others])
    batch = Batch([s.until(seconds) for s in batch.sensed], batch.asked)
    others = [s.until(seconds) for s in others]
    differ = {}
    for name, arm in made.arms.items():
        own, swapped = (arm._logits(batch, slow)[0] for slow in (None, others))
        differ[name] = not torch.allclose(own, swapped, atol=1e-4)
    assert differ == {"hybrid": True, "fast": False}


def test_questions_of_a_stream_do_not_see_one_another(tmp_path: Path, model: Any) -> None:
    arm = trainer(tmp_path, model).arms["hybrid"]
    arm.hybrid.layers[0].strength.data.fill_(2.0)
    scenes = [Scene.of(seed) for seed in (1, 2)]
    sensed = [Made(tmp_path).scene(scene) for scene in scenes]
    asked = [scene.questions(SECONDS)[:count] for scene, count in zip(scenes, (5, 3), strict=True)]
    with torch.no_grad():
        together, flat = arm._logits(Batch(sensed, asked))
        alone = [
            arm._logits(Batch([one], [[question]]))
            for one, questions in zip(sensed, asked, strict=True)
            for question in questions
        ]
    assert flat == [*asked[0], *asked[1]]
    for got, (expected, (question,)) in zip(together, alone, strict=True):
        count = len(question.options)
        assert torch.allclose(got[:count], expected[0], atol=1e-4)
        assert got[count:].eq(-math.inf).all()


def test_a_decoder_in_bfloat16_gives_nearly_the_same_loss(tmp_path: Path, model: Any) -> None:
    made = trainer(tmp_path, model)
    batch = made.batch(0)
    exact = {name: float(arm.loss(batch)[0].detach()) for name, arm in made.arms.items()}
    model.bfloat16()
    for name, arm in made.arms.items():
        loss, _ = arm.loss(batch)
        assert float(loss.detach()) == pytest.approx(exact[name], rel=0.01)
        torch.autograd.backward(loss)
        assert {w.dtype for w in arm.weights.parameters()} == {torch.float32}
    assert all(w.grad is None for w in model.parameters())


def test_the_loss_falls(tmp_path: Path, model: Any) -> None:
    made = trainer(tmp_path, model, steps=1000)
    batch = made.batch(0)
    made.batch = lambda step: batch  # type: ignore[method-assign]
    losses = [made.step() for _ in range(20)]
    assert losses[-1]["hybrid"] < 0.7 * losses[0]["hybrid"]


def test_scores_are_of_scenes_that_were_not_trained_on(tmp_path: Path, model: Any) -> None:
    made = trainer(tmp_path, model)
    for step in range(8):
        made.batch(step)
    assert max(made.senses.seeds) < 8
    made.senses.seeds.clear()
    found = score(made.arms, made.senses, range(HELD_OUT, HELD_OUT + 4), range(8))
    assert min(made.senses.seeds) >= HELD_OUT
    total = found["all"]
    for name in ("n", "prior", "blind", "hybrid", "fast", "swapped", "only hybrid", "only fast"):
        of_kinds = sum(row.get(name, 0) for kind, row in found.items() if kind != "all")
        assert total.get(name, 0) == of_kinds <= total["n"]
    differ = total.get("hybrid", 0) - total.get("fast", 0)
    assert differ == total.get("only hybrid", 0) - total.get("only fast", 0)
    assert found["count"]["chance"] == found["count"]["n"] / 4
    rows = table(found).splitlines()
    assert [row.split(" | ")[0] for row in rows[2:-2]] == [f"| {kind}" for kind in found]


def test_the_blind_know_what_is_asked_in_which_words() -> None:
    class Deaf:
        def choose(self, batch: Batch, slow_of: Any = None) -> list[str]:
            return [question.options[0] for question in batch.asked[0]]

    arms: Any = {"hybrid": Deaf(), "fast": Deaf()}
    senses: Any = Made(Path())
    seeds = range(4)
    found = score(arms, senses, seeds, seeds)["all"]
    assert found["blind"] > found["prior"] > found["chance"]
    assert found["hybrid"] == found["fast"] == found["swapped"]


def test_likelihood_of_an_answer_is_that_of_its_tokens(tmp_path: Path, model: Any) -> None:
    arm = trainer(tmp_path, model).arms["hybrid"]
    sensed = Made(tmp_path).scene(Scene.of(1))
    row = arm._ids("What? Answer: red blue")
    with torch.no_grad():
        hidden = arm._hidden([sensed], [[row]])[0]
    likely = model.lm_head(hidden).log_softmax(-1)
    expected = float(likely[-3, row[-2]] + likely[-2, row[-1]]) / 2
    assert arm.likelihood(sensed, "What?", "red blue") == pytest.approx(expected, abs=1e-5)


def test_spectrum_tells_sounds_apart() -> None:
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    low, high = (
        spectrum(0.2 * np.sin(2 * np.pi * f * time).astype(np.float32)) for f in (150, 3e3)
    )
    bands = [int(s.reshape(8, 40).mean(0).argmax()) for s in (low, high)]
    assert low.shape == (1, CHANNELS)
    assert bands[0] < 6 and bands[1] > 20
    assert spectrum(np.zeros(2 * SAMPLE_RATE, np.float32)).max() < -1


def test_features_of_a_scene_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []

    class Eyes:
        def look(self, frame: Any) -> SimpleNamespace:
            looked.append(frame.shape)
            return SimpleNamespace(
                features=np.full((GRID, GRID, CHANNELS), len(looked), np.float16)
            )

    monkeypatch.setattr(features, "ObjectClassifier", Eyes)
    first = Senses(tmp_path).scene(Scene.of(3))
    again = Senses(tmp_path).scene(Scene.of(3))
    assert looked == [(224, 224, 3)] * SECONDS
    assert torch.equal(first.pictures, again.pictures)
    assert torch.equal(first.sounds, again.sounds)
    assert first.pictures[:, 0, 0, 0].tolist() == list(range(1, SECONDS + 1))
