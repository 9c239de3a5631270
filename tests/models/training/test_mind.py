"""Training the embedded model on made-up timelines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch
from torch import distributed
from torch.multiprocessing.spawn import spawn
from transformers import LlamaConfig, LlamaForCausalLM

from models.reasoning import prompt
from models.reasoning.reasoner import Line, Passage
from models.training import branches, mind
from models.training.branches import Tree
from models.training.mind import Reader, Trainer
from models.training.scenes import Asked
from models.training.timelines import Timeline, made

VOCABULARY = 300
STOP = VOCABULARY - 1


class Words:
    """A tokenizer of whole words, each by its own number as far as there are enough."""

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        return [crc32(word.encode()) % STOP for word in re.findall(r"\s*\S+|\s+$", text)]

    def convert_tokens_to_ids(self, token: str) -> int:
        return STOP

    def get_added_vocab(self) -> dict[str, int]:
        return {prompt.END: STOP}


def heard(start: float, text: str) -> Passage:
    return Passage(start, start + 5.0, (Line(start, start + 2.0, "heard", text),), start + 5.0)


TIMELINE = Timeline(
    "a yard",
    (heard(0.0, "Good morning."), heard(5.0, "The hen is called Berta."), heard(10.0, "Well.")),
    (
        Asked("who", "Who is the hen?", "Berta, at 0:05", ()),
        Asked("who", "Who is the hen?", "Berta", ("Anna", "Berta", prompt.NOT_SEEN)),
        Asked("unanswerable", "Who is the cow?", prompt.NOT_SEEN, ()),
    ),
    ((1,), (1,), ()),
)


@pytest.fixture
def reader() -> Reader:
    return Reader(Words())


def tiny() -> Any:
    torch.manual_seed(4)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    return LlamaForCausalLM(config)


def trainer(folder: Path, reader: Reader, seed: int = 3) -> Trainer:
    return Trainer(folder, tiny(), reader, seed, 1.0, [("Say hello.", "Hello.")], rank=2)


def test_a_question_is_read_as_the_engine_puts_it(reader: Reader) -> None:
    words = Words()
    lines = [words.encode(prompt.shown(passage)) for passage in TIMELINE.passages]
    seen_again = 0
    for seed in range(20):
        chance = np.random.default_rng(seed)
        tree = reader.tree(TIMELINE, [(0, "Berta, at 0:05")], chance)
        assert list(tree.text) == sum(lines, words.encode(prompt.HEAD))
        asked = (prompt.question("Who is the hen?"), prompt.ASKED, " Berta, at 0:05")
        end = [*(token for text in asked for token in words.encode(text)), STOP]
        (branch,) = tree.branches
        assert list(branch.ids[-len(end) :]) == end
        assert branch.answer == 4
        again = list(branch.ids[: -len(end)])
        seen_again += again != []
        assert len(again) <= sum(map(len, lines))
    assert 0 < seen_again < 20


def test_the_trees_of_a_step_are_dealt_out_evenly(reader: Reader) -> None:
    trees = mind.batch(reader, 0, 0, [("Say hello.", "Hello.")])
    dealt = mind.shares(trees, 2)
    assert sorted(map(len, (*dealt[0], *dealt[1]))) == sorted(map(len, trees))
    one, other = (sum(map(len, some)) for some in dealt)
    assert abs(one - other) <= min(map(len, trees[:-1]))


def train_two_steps(number: int, folder: Path) -> None:
    """What each of two processes does."""
    torch.set_num_threads(1)
    meeting = f"file://{folder / 'meeting'}"
    distributed.init_process_group("gloo", meeting, rank=number, world_size=2)
    one = trainer(folder, Reader(Words()))
    one.step()  # changes what goes up alone: that is nothing before
    one.step()
    torch.save([weight.detach() for weight in one.weights], folder / f"{number}.pt")
    distributed.destroy_process_group()


def test_two_processes_train_what_one_would(tmp_path: Path, reader: Reader) -> None:
    alone = trainer(tmp_path, reader)
    before = [weight.detach().clone() for weight in alone.weights]
    alone.step()
    alone.step()
    spawn(train_two_steps, (tmp_path,), 2)
    for number in range(2):
        together = torch.load(tmp_path / f"{number}.pt", weights_only=True)
        for weight, one, other in zip(before, alone.weights, together, strict=True):
            torch.testing.assert_close(other, one.detach(), rtol=1e-3, atol=1e-5)
            assert not torch.equal(weight, other)


def test_a_step_depends_on_seed_and_number_alone(tmp_path: Path, reader: Reader) -> None:
    whole = trainer(tmp_path, reader)
    whole.step()
    whole.step()
    stopped = trainer(tmp_path, reader)
    stopped.step()
    stopped.save()
    resumed = trainer(tmp_path, reader)
    assert resumed.done == 1 and resumed.tokens == stopped.tokens
    resumed.step()
    for one, other in zip(whole.weights, resumed.weights, strict=True):
        torch.testing.assert_close(one, other)
    assert (tmp_path / "mind.safetensors").exists()
    with pytest.raises(SystemExit, match="holds a run with seed 3"):
        trainer(tmp_path, reader, seed=4)


def test_it_trains_until_the_time_is_over_and_writes_down_how(
    tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = trainer(tmp_path, reader)
    clock = iter(range(0, 1000, 25))
    monkeypatch.setattr(mind.time, "monotonic", lambda: float(next(clock)))
    running.run()
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert len(lines) == running.done > 0
    assert running.spent >= 60
    assert (tmp_path / "state.pt").exists()


def test_the_same_timelines_are_made_for_a_step_again(reader: Reader) -> None:
    assert mind.batch(reader, 1, 7) == mind.batch(reader, 1, 7)
    assert mind.batch(reader, 1, 7) != mind.batch(reader, 1, 8)
    assert made(mind.MEASURED).passages  # seeds for measuring are taken, too


def test_a_model_that_says_what_it_said_before_has_lost_nothing(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sure(model: Any, tree: Tree) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        wanted = torch.tensor([i for b in tree.branches for i in b.ids[-b.answer :]])
        likely = torch.nn.functional.one_hot(wanted, VOCABULARY) * 99.0
        if tree.branches[0].ids[-1] == Words().encode(" another.")[0]:
            likely[-1] = 0.0
        return likely, wanted, torch.zeros(len(wanted), dtype=torch.long)

    monkeypatch.setattr(branches, "answer_logits", sure)
    said = ("Say hello.", "Hello.")
    assert mind.chatting(None, reader, [said]) == (pytest.approx(1.0), 1.0)
    perplexity, same = mind.chatting(None, reader, [said, ("Say it.", "In another.")])
    assert perplexity > 1.5 and same == 0.75
