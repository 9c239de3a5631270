"""How fast SmolLM2 decodes and prefills on this machine, in float32 and from packed weights.

    python -m tests.bench.decode

The two take turns in one process, so that their ratio holds when the clock drifts. Agreement is
counted over real text: how often both give the same likeliest token, and the mean divergence.
"""

from __future__ import annotations

import statistics
import time

import torch

from app.home import ROOT, home
from models.reasoning import smollm2
from models.reasoning.context import StreamingContext
from models.reasoning.packed import decode_packed

PAST, PREFILL, DECODED, ROUNDS = 400, 256, 16, 5


def main() -> None:
    plain, tokenizer = smollm2.load(home())
    small, _ = smollm2.load(home())
    decode_packed(small)
    ids = tokenizer.encode((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    models = {"float32": plain, "packed": small}
    decode: dict[str, list[float]] = {name: [] for name in models}
    prefill: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(ROUNDS):
        for name, model in models.items():
            context = StreamingContext(model, 1024)
            context.append(ids[:PAST])
            began = time.perf_counter()
            context.append(ids[PAST : PAST + PREFILL])
            prefill[name].append(PREFILL / (time.perf_counter() - began))
            fork = context.fork()
            fork.append(ids[:4])
            began = time.perf_counter()
            made = len(list(fork.generate(DECODED)))
            decode[name].append(made / (time.perf_counter() - began))
    for name in models:
        print(
            f"{name:>8}: prefill {statistics.median(prefill[name]):6.0f} tokens/s, "
            f"decode {statistics.median(decode[name]):5.1f} tokens/s (medians of {ROUNDS})"
        )
    ratios = [b / a for a, b in zip(decode["float32"], decode["packed"], strict=True)]
    print(f"decode, packed to float32, round by round: {statistics.median(ratios):.2f} times")
    same, divergence = agreement(plain, small, ids)
    print(f"the same likeliest token {same:.0%}, KL divergence {divergence:.4f} nats")


@torch.inference_mode()
def agreement(plain: object, small: object, ids: list[int]) -> tuple[float, float]:
    told = []
    for model in (plain, small):
        fork = StreamingContext(model, 8).fork()
        steps = [fork.append(ids[:PAST])]
        steps += [fork.append([token]) for token in ids[PAST : PAST + 64]]
        told.append(torch.stack(steps).log_softmax(-1))
    a, b = told
    same = (a.argmax(-1) == b.argmax(-1)).float().mean()
    return float(same), float((a.exp() * (a - b)).sum(-1).mean())


if __name__ == "__main__":
    main()
