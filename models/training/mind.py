"""Train SmolLM2 to read timelines: LoRA on made-up ones, every question with its right answer.

    python -m models.training.mind --out runs/mind --home .onlooker --minutes 90

The same command goes on where it was stopped, also with other ``--threads`` or ``--minutes``; what
a step is trained on depends on the seed and its number alone. The learning rate comes down in the
last part of the time, and is zero when the minutes are over. Some of what the plain model says to
ordinary requests is trained along, so that it is not forgotten. ``--score`` measures on timelines
of domains of which none was trained.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.reasoning import adapter, prompt
from models.reasoning.embedded import EmbeddedModel
from models.reasoning.smollm2 import NAME, load
from models.training import branches, chat
from models.training.branches import Branch, Tree
from models.training.timelines import HELD_OUT, TRAINED, Timeline, made

RANK = 32
RATE = 1e-3
WARM = 20
"""Steps in which the learning rate comes up."""

FALLING = 0.4
"""Share of the time in which it comes down."""

CHATTING = 2
"""Every which step has an ordinary request beside its timeline: some tenth of its tokens."""

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
    """What a step is trained on."""
    chance = np.random.default_rng((seed, step))
    timeline = made(seed * 10_000_000 + step, TRAINED)
    right = [(n, asked.answer) for n, asked in enumerate(timeline.asked)]
    trees = [reader.tree(timeline, right, chance)]
    if chats and step % CHATTING == 0:
        trees.append(reader.chats([chats[int(chance.integers(len(chats)))]]))
    return trees


class Trainer:
    """The model with its addition, and how far it is.

    Args:
        folder: for log and state.
        model: a transformers decoder; it is changed.
        minutes: after which the learning rate has come down to nothing.
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
    ) -> None:
        self.folder, self.seed, self.minutes, self.chats = folder, seed, minutes, chats
        self.model, self.reader = model, reader
        self.done, self.spent, self.tokens = 0, 0.0, 0
        torch.manual_seed(seed)
        self.added = adapter.attach(model, rank)
        model.set_attn_implementation(branches.NAME)
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
        for tree in trees:  # one after the other: then only one's activations are held
            share = branches.loss(self.model, tree) * (tree.weight / whole)
            torch.autograd.backward(share)
            lost += share.item()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        self.done += 1
        self.tokens += sum(map(len, trees))
        return lost

    def run(self) -> None:
        """Train until the minutes are over; the state is kept on the way."""
        began, before = time.monotonic(), self.spent
        saved = began
        with (self.folder / "log.jsonl").open("a") as log:
            while self.spent < 60 * self.minutes:
                lost = self.step()
                self.spent = before + time.monotonic() - began
                line = {"step": self.done, "seconds": round(self.spent, 1), "tokens": self.tokens}
                print(json.dumps(line | {"loss": round(lost, 4)}), file=log, flush=True)
                if time.monotonic() - saved > 120:
                    self.save()
                    saved = time.monotonic()
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


@dataclass(slots=True)
class Tally:
    """Of the questions of one sort, how many, how many answered rightly, and how many would be by
    guessing."""

    asked: int = 0
    right: int = 0
    guessed: float = 0.0


@dataclass(slots=True)
class Scores:
    """What a model did with timelines that it was not trained on.

    Free answers count as right where each of their tokens is the likeliest, so that the model
    left to itself would say just that. ``denied``: of free questions without an answer, those
    to which it says :data:`~models.reasoning.prompt.NOT_SEEN`; ``missed``: of those with one.
    """

    choices: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    free: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    denied: Tally = field(default_factory=Tally)
    missed: Tally = field(default_factory=Tally)


@torch.inference_mode()
def score(model: Any, reader: Reader, timelines: Sequence[Timeline]) -> Scores:
    """Every question of ``timelines``, each by itself: options by their likelihood."""
    scores = Scores()
    for number, timeline in enumerate(timelines):
        asked = [
            (n, answer)
            for n, each in enumerate(timeline.asked)
            for answer in (each.options or dict.fromkeys((each.answer, prompt.NOT_SEEN)))
        ]
        tree = reader.tree(timeline, asked, np.random.default_rng(number))
        logits, wanted, rows = branches.answer_logits(model, tree)
        likely = -torch.nn.functional.cross_entropy(logits.float(), wanted, reduction="none")
        best = logits.argmax(-1) == wanted
        sums = torch.zeros(len(asked)).index_add(0, rows, likely)
        said = [bool(best[rows == row].all()) for row in range(len(asked))]
        _count(scores, timeline, asked, sums.tolist(), said)
    return scores


def _count(
    scores: Scores,
    timeline: Timeline,
    asked: Sequence[tuple[int, str]],
    likely: Sequence[float],
    said: Sequence[bool],
) -> None:
    for number, question in enumerate(timeline.asked):
        rows = [row for row, (n, _) in enumerate(asked) if n == number]
        for row in rows:
            if asked[row][1] == prompt.NOT_SEEN and not question.options:
                tally = scores.missed if timeline.grounds[number] else scores.denied
                tally.asked += 1
                tally.right += said[row]
        if question.options:
            given = asked[max(rows, key=likely.__getitem__)][1]
            tally, guessed = scores.choices[question.kind], 1 / len(question.options)
            right = given == question.answer
        else:
            tally, guessed = scores.free[question.kind], 0.0
            right = said[rows[0]]
        tally.asked += 1
        tally.right += right
        tally.guessed += guessed


OPENING = 20
"""Tokens of a reply that are compared with the plain model's."""


@torch.inference_mode()
def chatting(model: Any, reader: Reader, chats: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """How well ``model`` foretells what the plain one says to ordinary requests: the perplexity of
    its replies, and the share of replies whose first :data:`OPENING` tokens it would give."""
    lost, tokens, same = 0.0, 0, 0
    for each in chats:
        logits, wanted, _ = branches.answer_logits(model, reader.chats([each]))
        lost += float(torch.nn.functional.cross_entropy(logits.float(), wanted, reduction="sum"))
        tokens += len(wanted)
        same += bool((logits.argmax(-1) == wanted)[:OPENING].all())
    return math.exp(lost / tokens), same / len(chats)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--home", type=Path, required=True, help="folder with prepared weights")
    parser.add_argument("--minutes", type=float, default=90, help="of the whole run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--score", type=int, metavar="N", help="measure on N timelines instead")
    parser.add_argument("--plain", action="store_true", help="measure the model as it comes")
    parser.add_argument("--trained", action="store_true", help="measure on domains of training")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    model, tokenizer = load(given.home)
    reader = Reader(tokenizer)
    chats = chat.Chats.of(given.out / "chat.json", given.home)
    if given.score:
        if not given.plain:
            adapter.merge(model, given.out / "mind.safetensors", NAME)
        model = model.to(torch.bfloat16)
        model.set_attn_implementation(branches.NAME)
        domains = TRAINED if given.trained else HELD_OUT
        show(score(model, reader, [made(MEASURED + n, domains) for n in range(given.score)]))
        perplexity, same = chatting(model, reader, chats.measured)
        print(
            f"ordinary requests: perplexity {perplexity:.2f} of what the plain model says, ", end=""
        )
        print(f"{same:.0%} of {len(chats.measured)} begin with the same {OPENING} tokens")
        return
    model = model.to(torch.bfloat16)
    Trainer(given.out, model, reader, given.seed, given.minutes, chats.trained).run()


def show(scores: Scores) -> None:
    """Print a table."""
    for title, sorts in (("multiple choice", scores.choices), ("free, word for word", scores.free)):
        every = Tally(
            sum(t.asked for t in sorts.values()),
            sum(t.right for t in sorts.values()),
            sum(t.guessed for t in sorts.values()),
        )
        print(title)
        for kind, tally in [*sorted(sorts.items()), ("all", every)]:
            asked = max(1, tally.asked)
            share, chance = tally.right / asked, tally.guessed / asked
            print(f"  {kind:>20}: {share:6.1%} of {tally.asked:4}   chance {chance:6.1%}")
    for title, tally in (
        ("says 'not seen' where there is no answer", scores.denied),
        ("says 'not seen' where there is one", scores.missed),
    ):
        print(f"{title}: {tally.right} of {tally.asked}")


if __name__ == "__main__":
    main()
