"""Train slow attention for SmolLM2 on made-up streams, and compare it with fast tokens alone.

    python -m models.training.hybrid --out runs/hybrid --home .onlooker --steps 400

Two arms see the same questions in the same order, step by step, with the same number of tokens
in the sequence: ``hybrid`` looks into the slow tokens too, ``fast`` has the fast ones alone. The
decoder and the eyes are frozen. The same command goes on where it was stopped; a step depends on
the seed and its number alone. ``--score`` measures instead, on scenes of which none was trained.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from models.reasoning.hybrid.decoder import every
from models.reasoning.smollm2 import load
from models.training.arms import Arm, Batch
from models.training.features import Senses
from models.training.measure import ARMS, score, table
from models.training.scenes import SECONDS, Asked, Scene

HELD_OUT = 1_000_000
"""Seeds from here on are for measuring only."""


class Trainer:
    """Both arms and where they are.

    Args:
        folder: for features, log and state.
        scenes: how many different streams are trained on.
        steps: how many there are to be. In the last third of them the learning rate comes down
            to nothing; until then they may be more or fewer when the run goes on.
    """

    def __init__(
        self, folder: Path, model: Any, tokenizer: Any, seed: int, scenes: int, steps: int
    ) -> None:
        self.folder = folder
        self.seed, self.scenes, self.steps = seed, scenes, steps
        self.done = 0
        self.senses = Senses(folder / "features")
        count = model.get_decoder().config.num_hidden_layers
        self.arms: dict[str, Arm] = {}
        for name in ARMS:
            torch.manual_seed(seed)
            self.arms[name] = Arm(model, tokenizer, every(count) if name == "hybrid" else [])
        self.optimizers = {name: _optimizer(arm) for name, arm in self.arms.items()}
        if (folder / "state.pt").exists():
            self._resume()

    def batch(self, step: int, streams: int = 6, questions: int = 8) -> Batch:
        """What a step is trained on; from the seed and the step alone."""
        chance = np.random.default_rng((self.seed, step))
        seconds = int(chance.integers(4, SECONDS + 1))
        seeds = chance.choice(self.scenes, streams, replace=False).tolist()
        asked = []
        for seed in seeds:
            kinds: dict[str, list[Asked]] = defaultdict(list)
            every_one = Scene.of(seed).questions(seconds)
            for place in chance.permutation(len(every_one)).tolist():
                kinds[every_one[place].kind].append(every_one[place])
            # One of each kind before the second of any, so that no kind is crowded out.
            turns = zip_longest(*kinds.values())
            asked.append([q for turn in turns for q in turn if q is not None][:questions])
        sensed = [self.senses.scene(Scene.of(seed)).until(seconds) for seed in seeds]
        return Batch(sensed, asked)

    def step(self) -> dict[str, float]:
        """One step of every arm; its loss, and how much it got right before it."""
        batch = self.batch(self.done)
        rate = min(1, (self.done + 1) / 20, 3 * (1 - self.done / self.steps))
        losses: dict[str, float] = {}
        for name, arm in self.arms.items():
            optimizer = self.optimizers[name]
            for group in optimizer.param_groups:
                group["lr"] = group["full"] * rate
            optimizer.zero_grad()
            loss, right = arm.loss(batch)
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(arm.weights.parameters(), 1.0)
            optimizer.step()
            losses |= {name: float(loss.detach()), f"{name} right": right}
        self.done += 1
        return losses

    def run(self, minutes: float) -> None:
        """Train until all steps are done or the time is up; the state is kept on the way."""
        began = saved = time.monotonic()
        with (self.folder / "log.jsonl").open("a") as log:
            while self.done < self.steps and time.monotonic() - began < 60 * minutes:
                losses = self.step()
                line = {"step": self.done, "seconds": round(time.monotonic() - began, 1)}
                print(json.dumps(line | {k: round(v, 4) for k, v in losses.items()}), file=log)
                log.flush()
                if time.monotonic() - saved > 120:
                    self.save()
                    saved = time.monotonic()
        self.save()

    def save(self) -> None:
        state = {
            "about": {"seed": self.seed, "scenes": self.scenes},
            "done": self.done,
            "weights": {name: arm.weights.state_dict() for name, arm in self.arms.items()},
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
        }
        half = self.folder / "state.half"
        torch.save(state, half)
        half.replace(self.folder / "state.pt")
        for name, arm in self.arms.items():
            halves = {key: w.half() for key, w in arm.weights.state_dict().items()}
            save_file(halves, self.folder / f"{name}.safetensors")

    def _resume(self) -> None:
        state = torch.load(self.folder / "state.pt", weights_only=True)
        about = {"seed": self.seed, "scenes": self.scenes}
        if state["about"] != about:
            raise SystemExit(
                f"{self.folder} holds a run with {state['about']}, not {about}: "
                "use another folder, or the same settings"
            )
        self.done = state["done"]
        for name, arm in self.arms.items():
            arm.weights.load_state_dict(state["weights"][name])
            self.optimizers[name].load_state_dict(state["optimizers"][name])


def _optimizer(arm: Arm) -> torch.optim.Optimizer:
    # The gates begin at zero, and until they are open nothing else of a layer learns.
    gates = [w for name, w in arm.weights.named_parameters() if name.endswith("strength")]
    rest = [w for name, w in arm.weights.named_parameters() if not name.endswith("strength")]
    groups: list[dict[str, Any]] = [{"params": rest, "full": 1e-3, "lr": 0.0}]
    if gates:
        groups.append({"params": gates, "full": 2e-2, "lr": 0.0, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, lr=0.0)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--home", type=Path, required=True, help="folder with prepared weights")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after these")
    parser.add_argument("--scenes", type=int, default=1000, help="streams to train on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--score", type=int, metavar="SCENES", help="measure on so many scenes")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    model, tokenizer = load(given.home)
    # Twice as fast in bfloat16 and more; and in PyTorch's fused attention the way back takes
    # several times as long as in plain products, at lengths like these.
    model = model.bfloat16()
    model.set_attn_implementation("eager")
    trainer = Trainer(given.out, model, tokenizer, given.seed, given.scenes, given.steps)
    if given.score:
        numbers = range(HELD_OUT, HELD_OUT + given.score)
        print(f"{trainer.done} steps, {given.score} held-out scenes\n")
        print(table(score(trainer.arms, trainer.senses, numbers, range(trainer.scenes))))
    else:
        trainer.run(given.minutes)


if __name__ == "__main__":
    main()
