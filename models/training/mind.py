"""Train SmolLM2 to read timelines: LoRA on made-up ones, every question with its right answer.

    python -m models.training.mind --out runs/mind --home .onlooker --minutes 90

The same command goes on where it was stopped, also with other ``--processes`` or ``--minutes``;
what a step is trained on depends on the seed and its number alone. The learning rate comes down in
the last part of the time, and is zero when the minutes are over. Some of what the plain model says
to ordinary requests is trained along, so that it is not forgotten; ``--chat`` measures what is left
of that. ``tests/bench/mind.py`` measures the rest.

Two processes use two cores nearly twice as well as one; threads would wait for each other.
``--compile`` makes a step a third faster still. An allocator that keeps what it was given saves
another tenth or more: ``LD_PRELOAD=libjemalloc.so.2``.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import distributed
from torch.multiprocessing.spawn import spawn

from models.reasoning import adapter, prompt
from models.reasoning.embedded import EmbeddedModel
from models.reasoning.smollm2 import NAME, load
from models.training import branches, chat
from models.training.branches import Branch, Tree
from models.training.timelines import TRAINED, Timeline, made

RANK = 32
RATE = 1e-3
WARM = 20
"""Steps in which the learning rate comes up."""

FALLING = 0.4
"""Share of the time in which it comes down."""

TIMELINES = 4
"""Of a step."""

RECALLED = 0.25
"""Share of questions before which recalled passages stand once more, as the engine puts them."""

MEASURED = 1_000_000_000
"""Seeds from here on are for measuring only."""


class Reader:
    """Makes the tokens that the engine would put before the model."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokens = EmbeddedModel(None, tokenizer)

    def tree(
        self, timeline: Timeline, asked: Sequence[tuple[int, str]], chance: np.random.Generator
    ) -> Tree:
        """A timeline, and a branch for each question, by its number, and an answer to it."""
        text = list(self._tokens.ids(prompt.HEAD))
        for passage in timeline.passages:
            text += self._tokens.content(prompt.shown(passage))
        recalled = {n: self._recalled(timeline, n, chance) for n in dict.fromkeys(dict(asked))}
        return Tree(tuple(text), tuple(self._asked(timeline, recalled, n, a) for n, a in asked))

    def chats(self, chats: Sequence[tuple[str, str]], weight: float = 0.5) -> Tree:
        """Ordinary requests, each with a reply."""
        told = []
        for request, reply in chats:
            said = self._tokens.ids(reply)
            told.append(Branch((*self._tokens.ids(chat.turn(request)), *said), len(said), weight))
        return Tree(tuple(self._tokens.ids(chat.SYSTEM)), tuple(told))

    def _asked(
        self, timeline: Timeline, recalled: dict[int, list[int]], number: int, answer: str
    ) -> Branch:
        question = timeline.asked[number]
        said = self._said(f" {answer}")
        before = [
            *recalled[number],
            *self._tokens.content(prompt.question(question.text, question.options)),
            *self._tokens.ids(prompt.ASKED),
        ]
        return Branch((*before, *said), len(said))

    def _said(self, text: str) -> list[int]:
        return [*self._tokens.content(text), self._tokens.stop]

    def _recalled(self, timeline: Timeline, number: int, chance: np.random.Generator) -> list[int]:
        """Up to three passages, what holds the answer mostly among them; or none."""
        if chance.random() > RECALLED:
            return []
        grounds = chance.permutation(list(timeline.grounds[number])).tolist()
        others = chance.permutation(len(timeline.passages)).tolist()
        most = int(chance.integers(1, 4))
        if chance.random() < 0.1:  # recall missed it
            grounds = []
        chosen = sorted(int(n) for n in list(dict.fromkeys([*grounds, *others]))[:most])
        return self._tokens.content("".join(prompt.shown(timeline.passages[n]) for n in chosen))


def batch(
    reader: Reader, seed: int, step: int, chats: Sequence[tuple[str, str]] = ()
) -> list[Tree]:
    """What a step is trained on: :data:`TIMELINES`, and mostly an ordinary request."""
    chance = np.random.default_rng((seed, step))
    trees = []
    for number in range(TIMELINES):
        timeline = made(seed * 10_000_000 + step * TIMELINES + number, TRAINED)
        right = [(n, asked.answer) for n, asked in enumerate(timeline.asked)]
        trees.append(reader.tree(timeline, right, chance))
    if chats:
        trees.append(reader.chats([chats[int(chance.integers(len(chats)))]]))
    return sorted(trees, key=len, reverse=True)


def shares(trees: Sequence[Tree], among: int) -> list[list[Tree]]:
    """``trees``, the longest first, dealt out so that each gets about as many tokens."""
    dealt: list[list[Tree]] = [[] for _ in range(among)]
    for tree in trees:
        min(dealt, key=lambda some: sum(map(len, some))).append(tree)
    return dealt


class Trainer:
    """The model with its addition, and how far it is.

    Args:
        folder: for log and state.
        model: a transformers decoder; it is changed.
        minutes: after which the learning rate has come down to nothing.
        compiled: make code for this machine first; a third faster, and needs a C++ compiler.
    """

    def __init__(
        self,
        folder: Path,
        model: Any,
        reader: Reader,
        seed: int,
        minutes: float,
        chats: Sequence[tuple[str, str]] = (),
        rank: int = RANK,
        compiled: bool = False,
    ) -> None:
        self.folder, self.seed, self.minutes, self.chats = folder, seed, minutes, chats
        self.model, self.reader = model, reader
        self.done, self.spent, self.tokens = 0, 0.0, 0
        torch.manual_seed(seed)
        self.added = adapter.attach(model, rank)
        model.set_attn_implementation(branches.NAME)
        if compiled:
            for layer in model.get_decoder().layers:
                layer.compile(dynamic=True)
        self.weights = [w for layer in self.added.values() for w in (layer.down, layer.up)]
        self.optimizer = torch.optim.AdamW(
            self.weights, lr=RATE, betas=(0.9, 0.95), weight_decay=0.0
        )
        if (folder / "state.pt").exists():
            self._resume()

    def step(self) -> float:
        """One step; its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = RATE * self._rate()
        self.optimizer.zero_grad()
        trees = batch(self.reader, self.seed, self.done, self.chats)
        whole, lost = sum(tree.weight for tree in trees), 0.0
        number, among = _place()
        for tree in shares(trees, among)[number]:
            share = branches.loss(self.model, tree) * (tree.weight / whole)
            torch.autograd.backward(share)
            lost += share.item()
        lost = self._joined(lost)
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        self.done += 1
        self.tokens += sum(map(len, trees))
        return lost

    def _joined(self, lost: float) -> float:
        """The loss of all processes together; so are the gradients then."""
        if not distributed.is_initialized():
            return lost
        grads = [torch.zeros_like(w) if w.grad is None else w.grad for w in self.weights]
        whole = torch.cat([*(grad.flatten() for grad in grads), torch.tensor([lost])])
        distributed.all_reduce(whole)
        sizes = [weight.numel() for weight in self.weights]
        for weight, grad in zip(self.weights, torch.split(whole[:-1], sizes), strict=True):
            weight.grad = grad.view_as(weight)
        return whole[-1].item()

    def run(self) -> None:
        """Train until the minutes are over; the state is kept on the way."""
        began, before = time.monotonic(), self.spent
        number, _ = _place()  # the first alone keeps log and state
        saved = began
        with (self.folder / "log.jsonl").open("a") as log:
            while self.spent < 60 * self.minutes:
                lost = self.step()
                self.spent = _agreed(before + time.monotonic() - began)
                if number != 0:
                    continue
                line = {"step": self.done, "seconds": round(self.spent, 1), "tokens": self.tokens}
                print(json.dumps(line | {"loss": round(lost, 4)}), file=log, flush=True)
                if time.monotonic() - saved > 120:
                    self.save()
                    saved = time.monotonic()
        if number == 0:
            self.save()

    def save(self) -> None:
        state = {
            "seed": self.seed,
            "done": self.done,
            "spent": self.spent,
            "tokens": self.tokens,
            "weights": [weight.detach() for weight in self.weights],
            "optimizer": self.optimizer.state_dict(),
        }
        half = self.folder / "state.half"
        torch.save(state, half)
        half.replace(self.folder / "state.pt")
        adapter.save(self.added, self.folder / "mind.safetensors", NAME)

    def _rate(self) -> float:
        done = min(1.0, self.spent / (60 * self.minutes))
        return min(1.0, (self.done + 1) / WARM, (1 - done) / FALLING)

    def _resume(self) -> None:
        state = torch.load(self.folder / "state.pt", weights_only=True)
        if state["seed"] != self.seed:
            raise SystemExit(
                f"{self.folder} holds a run with seed {state['seed']}: use that, or another folder"
            )
        self.done, self.spent, self.tokens = state["done"], state["spent"], state["tokens"]
        with torch.no_grad():
            for weight, kept in zip(self.weights, state["weights"], strict=True):
                weight.copy_(kept)
        self.optimizer.load_state_dict(state["optimizer"])


def _place() -> tuple[int, int]:
    """The number of this process among those that train together, and how many they are."""
    if not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def _agreed(seconds: float) -> float:
    """What the first process gives, in all."""
    if not distributed.is_initialized():
        return seconds
    told = torch.tensor([seconds], dtype=torch.float64)
    distributed.broadcast(told, 0)
    return told.item()


OPENING = 20
"""Tokens of a reply that are compared with the plain model's."""


@torch.inference_mode()
def chatting(model: Any, reader: Reader, chats: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """How well ``model`` foretells what the plain one says to ordinary requests: the perplexity of
    its replies, and which share of their first :data:`OPENING` tokens it would give."""
    lost, tokens, same = 0.0, 0, 0.0
    for each in chats:
        logits, wanted, _ = branches.answer_logits(model, reader.chats([each]))
        lost += float(torch.nn.functional.cross_entropy(logits.float(), wanted, reduction="sum"))
        tokens += len(wanted)
        same += float((logits.argmax(-1) == wanted)[:OPENING].float().mean())
    return math.exp(lost / tokens), same / len(chats)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--home", type=Path, required=True, help="folder with prepared weights")
    parser.add_argument("--minutes", type=float, default=90, help="of the whole run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1, help="that train together")
    parser.add_argument("--compile", action="store_true", help="needs a C++ compiler; faster")
    parser.add_argument("--chat", action="store_true", help="measure what is left of chat instead")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    if given.chat:
        _measure_chat(given.out, given.home)
        return
    chat.Chats.of(given.out / "chat.json", given.home)
    with tempfile.TemporaryDirectory() as meeting:
        spawn(_train, (given, Path(meeting) / "meeting"), given.processes)  # type: ignore[no-untyped-call]


def _train(number: int, given: argparse.Namespace, meeting: Path) -> None:
    """One process's part of a training."""
    torch.set_num_threads(1)
    where = f"file://{meeting}"
    distributed.init_process_group("gloo", where, rank=number, world_size=given.processes)
    model, tokenizer = load(given.home)
    chats = chat.Chats.of(given.out / "chat.json", given.home).trained
    trainer = Trainer(
        given.out,
        model.to(torch.bfloat16),
        Reader(tokenizer),
        given.seed,
        given.minutes,
        chats,
        compiled=given.compile,
    )
    trainer.run()
    distributed.destroy_process_group()


def _measure_chat(folder: Path, home: Path) -> None:
    model, tokenizer = load(home)
    model.set_attn_implementation(branches.NAME)
    reader, chats = Reader(tokenizer), chat.Chats.of(folder / "chat.json", home).measured
    for name in ("as published", "as trained"):
        perplexity, same = chatting(model, reader, chats)
        told = f"{same:.0%} of the first {OPENING} tokens are its own"
        print(f"{name}: perplexity {perplexity:.2f}, {told}")
        if name == "as published":
            adapter.merge(model, folder / "mind.safetensors", NAME)


if __name__ == "__main__":
    main()
