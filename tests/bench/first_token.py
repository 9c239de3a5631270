"""Time to the first token of an answer, against the length of the stream, in three ways.

    python -m tests.bench.first_token [video] [text]

``encode``: at each question the vision tower runs on all frames and the language model on all
tokens, as demos commonly do. ``prefill``: features are stored, the language model runs on all
tokens. ``ours``: a fork of the streaming context, and the question's own tokens.

``video`` is a tiny random Qwen2.5-VL at one frame a second, with 60 fast
tokens a minute;
``text`` is SmolLM2-135M with English text. The two other ways see the whole stream, ours the
same up to the capacity of its context and then what a rolling context keeps of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import torch

from models.reasoning.context import StreamingContext, Tokens
from models.reasoning.gate import PriorityGate
from models.reasoning.multimodal.visual import VisualFeatures
from models.reasoning.rolling import RollingContext
from tests.bench.streams import Video, english, interleaved, rolling, segments, smollm2

MINUTES = (1, 10, 60, 480)
LENGTHS = (250, 1000, 2000)
CAPACITY = {"video": 1024, "text": 2300}


def first_token(context: RollingContext, question: Tokens) -> int:
    return int(context.fork().append(question).argmax())


def report(name: str, unit: str, lengths: list[int], taken: dict[str, float]) -> None:
    print(f"\n{name}: seconds to the first token")
    print(
        f"{unit:>10} {'encode':>9} {'prefill':>9} {'ours':>9} {'prefill/ours':>13} {'ours/1st':>9}"
    )
    for length in lengths:
        encode, prefill, ours = (taken[f"{way} {length}"] for way in ("encode", "prefill", "ours"))
        print(
            f"{length:>10,} {encode:9.3f} {prefill:9.3f} {ours:9.4f} {prefill / ours:13.1f} "
            f"{ours / taken[f'ours {lengths[0]}']:9.2f}",
            flush=True,
        )


def video() -> None:
    torch.set_num_threads(1)  # more cost a model this small more than they give
    watcher = Video()
    gate = PriorityGate(patience=0.0)
    question = watcher.question()

    def whole(minutes: int, see: Callable[[range], VisualFeatures]) -> int:
        runs = [
            see(range(first, min(first + 40, segments(minutes))))
            for first in range(0, segments(minutes), 40)
        ]
        tokens = watcher.fast(VisualFeatures.join(runs), 60.0 * minutes)
        past = StreamingContext(watcher.model, len(tokens), gate=gate)
        past.append(tokens)
        return int(past.fork().append(question).argmax())

    ways: dict[str, Callable[[], object]] = {}
    for minutes in MINUTES:
        context = rolling(watcher.model, CAPACITY["video"])
        watcher.watch(context, minutes)
        print(f"{minutes} minutes: {context.length} tokens in context", flush=True)
        ways[f"ours {minutes}"] = partial(first_token, context, question)
        ways[f"prefill {minutes}"] = partial(whole, minutes, watcher.stored)
        ways[f"encode {minutes}"] = partial(whole, minutes, watcher.encode)
    taken = measured(ways, rounds=3, more=60)
    report("Tiny random Qwen2.5-VL, video", "minutes", list(MINUTES), taken)


def measured(ways: dict[str, Callable[[], object]], rounds: int, more: int) -> dict[str, float]:
    """All ways in turn; then ours again by itself, being quick."""
    ours = {name: work for name, work in ways.items() if name.startswith("ours")}
    return interleaved(ways, rounds) | interleaved(ours, more)


def text() -> None:
    torch.set_num_threads(1)  # on a machine that others use too, two wait for each other
    model, tokenizer = smollm2()
    written = english(40_000)
    ids = tokenizer(written).input_ids
    question = Tokens.of(tokenizer("\nQuestion: what is a generator? Answer:").input_ids)
    gate = PriorityGate(patience=0.0)

    def whole(length: int, characters: int) -> int:
        given = tokenizer(written[:characters]).input_ids if characters else ids
        past = StreamingContext(model, length, gate=gate)
        past.append(given[:length])
        return int(past.fork().append(question).argmax())

    ways: dict[str, Callable[[], object]] = {}
    for length in LENGTHS:
        context = rolling(model, CAPACITY["text"])
        for start in range(0, length, 50):
            context.append(ids[start : start + 50], ids[start : start + 10], float(start))
        print(f"{length} tokens of text: {context.length} in context", flush=True)
        ways[f"ours {length}"] = partial(first_token, context, question)
        ways[f"prefill {length}"] = partial(whole, length, 0)
        ways[f"encode {length}"] = partial(whole, length, len(tokenizer.decode(ids[:length])))
    taken = measured(ways, rounds=1, more=12)
    report("SmolLM2-135M float32, text", "tokens", list(LENGTHS), taken)


if __name__ == "__main__":
    for part in sys.argv[1:] or ["video", "text"]:
        {"video": video, "text": text}[part]()
