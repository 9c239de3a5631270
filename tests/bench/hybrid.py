"""What looking into slow tokens costs, and what it is good for.

    python -m tests.bench.hybrid work        # operations, at the published model's size
    python -m tests.bench.hybrid question    # seconds a question, SmolLM2, 16 to 1,536 frames
    python -m tests.bench.hybrid clips RUN CLIPS   # a trained run on real clips with questions

``work`` counts; nothing is computed. ``RUN`` is a folder of ``models.training.hybrid``, ``CLIPS``
one with clips and a questions.json.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import Qwen2Config, Qwen2ForCausalLM

from app.home import home
from models.media import SAMPLE_RATE, AudioChunk, Frame
from models.reasoning.context import StreamingContext
from models.reasoning.hybrid.decoder import HybridDecoder, every
from models.reasoning.hybrid.slow_keys import SlowKeys
from models.reasoning.smollm2 import load
from models.training.features import Sensed, Senses
from models.training.hybrid import Trainer
from models.training.scenes import SECONDS
from pipeline.sources.file import FileSource
from tests.bench.streams import english, interleaved

FRAMES = (16, 32, 64, 128, 256, 512, 1024, 1536)
QUESTION = 24
"""Tokens of the question whose time is taken."""


def work() -> None:
    """Qwen2-7B, 81 tokens a frame; 16 fast frames, and 100 tokens of text."""
    a_frame, fast, text = 81, 16 * 81, 100
    config = Qwen2Config(
        vocab_size=152064,
        hidden_size=3584,
        intermediate_size=18944,
        num_hidden_layers=28,
        num_attention_heads=28,
        num_key_value_heads=4,
        attn_implementation="eager",
    )
    with torch.device("meta"):
        model = Qwen2ForCausalLM(config)
        hybrid = HybridDecoder(model, every(28))

        def run(embeds: torch.Tensor, **more: Any) -> None:
            # No mask is made, and so no value asked for that is not there.
            mask = {"full_attention": None}
            body = model.get_decoder()
            body(inputs_embeds=embeds, attention_mask=mask, use_cache=False, **more)

        def plain(tokens: int) -> int:
            with FlopCounterMode(display=False) as counter:
                run(torch.empty(1, tokens, 3584))
            return int(counter.get_total_flops())

        def looking(slow: int) -> int:
            words = torch.empty(1, text, 3584)
            with FlopCounterMode(display=False) as counter:
                look = hybrid.look(torch.empty(1, slow, 3584))
                run(words, slow=look)
            return int(counter.get_total_flops()) - plain(text)

        least = plain(fast + text) + looking(16 * a_frame)
        base = plain(fast + text)
        print("prefill, in 10^12 operations; fast tokens of 16 frames, slow ones of all")
        print(f"{'frames':>7} {'hybrid':>8} {'of 16':>7} {'all in the sequence':>20} {'ratio':>6}")
        for frames in FRAMES:
            mine = base + looking(frames * a_frame)
            whole = plain(frames * a_frame + text)
            print(
                f"{frames:>7,} {mine / 1e12:8.2f} {mine / least:7.3f} {whole / 1e12:20.1f} "
                f"{whole / mine:6.1f}"
            )


def question(rounds: int = 3) -> None:
    """SmolLM2-135M, 49 slow tokens a frame, one fast; a segment has 8 frames."""
    torch.set_num_threads(1)
    model, tokenizer = load(home())
    hybrid = HybridDecoder(model, every(30))
    for layer in hybrid.layers.values():
        layer.strength.data.fill_(0.5)
    ids = tokenizer(english(4000), add_special_tokens=False).input_ids
    noise = torch.randn(8 * 49, 576, generator=torch.Generator().manual_seed(0))
    context = StreamingContext(model, 64)
    context.append(ids[:32])
    keys = SlowKeys(hybrid, 80_000)
    for segment in range(FRAMES[-1] // 8):
        keys.append(segment, noise)

    def ask(frames: int) -> Any:
        more = {"slow": keys.look(range(frames // 8))} if frames else {}
        return context.fork(more=more).append(ids[100 : 100 + QUESTION])

    ways = {str(frames): partial(ask, frames) for frames in FRAMES}
    ways["plain"] = partial(ask, 0)
    ways["segment"] = partial(hybrid.key_values, noise[None])
    with torch.inference_mode():
        taken = interleaved(ways, rounds)
    plain = taken["plain"]
    print(f"a question of {QUESTION} tokens without slow tokens: {1e3 * plain:.1f} ms;")
    print(f"keys and values of a segment of 8 frames: {1e3 * taken['segment']:.1f} ms")
    print(f"{'frames':>7} {'slow tokens':>12} {'ms':>8} {'of plain':>9} {'ms/1000':>8}")
    for frames in FRAMES:
        slow, mine = 49 * frames, taken[str(frames)]
        print(
            f"{frames:>7,} {slow:>12,} {1e3 * mine:8.1f} {mine / plain:9.2f} "
            f"{1e6 * (mine - plain) / slow:8.2f}"
        )
    print(f"all keys and values: {keys.nbytes / 1e6:.0f} MB")


def clips(run: Path, folder: Path) -> None:
    """Multiple choice by the likelihood of the options, from the 8 seconds before a question."""
    torch.set_num_threads(1)
    model, tokenizer = load(home())
    about = torch.load(run / "state.pt", weights_only=True)["about"]
    trainer = Trainer(run, model.bfloat16(), tokenizer, about["seed"], about["scenes"], steps=1)
    right: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for item in json.loads((folder / "questions.json").read_text()):
        sensed = _sensed(trainer.senses, folder / item["clip"], item["timestamp_s"])
        options = {option[0]: option[3:] for option in item["options"]}
        for name, arm in trainer.arms.items():
            scores = {
                letter: arm.likelihood(sensed, item["question"], option)
                for letter, option in options.items()
            }
            chosen = max(scores, key=scores.__getitem__)
            right[name][item["kind"]] += chosen == item["answer"]
        right["chance"][item["kind"]] += 1 / len(options)
        right["n"][item["kind"]] += 1
    for name, counts in right.items():
        print(name, dict(counts), "all", round(sum(counts.values()), 2))


def _sensed(senses: Senses, clip: Path, until: float) -> Sensed:
    first = max(0, int(until) - SECONDS)
    frames: dict[int, Any] = {}
    audio = np.zeros((first + SECONDS) * SAMPLE_RATE, np.float32)
    with FileSource(clip) as source:
        for item in source:
            if isinstance(item, Frame) and first <= item.time < min(until, first + SECONDS):
                frames.setdefault(int(item.time), item.image)
            elif isinstance(item, AudioChunk):
                start = int(item.time * SAMPLE_RATE)
                run = item.samples[: max(0, len(audio) - start)]
                audio[start : start + len(run)] = run
    if not frames:  # sound alone
        frames = {second: np.zeros((224, 224, 3), np.uint8) for second in range(first, int(until))}
    seconds = sorted(frames)
    pieces = [audio[s * SAMPLE_RATE : (s + 1) * SAMPLE_RATE] for s in seconds]
    sensed = [
        senses.media(frames[s][None], piece) for s, piece in zip(seconds, pieces, strict=True)
    ]
    return Sensed(torch.cat([s.pictures for s in sensed]), torch.cat([s.sounds for s in sensed]))


if __name__ == "__main__":
    {"work": work, "question": question, "clips": lambda *a: clips(*map(Path, a))}[sys.argv[1]](
        *sys.argv[2:]
    )
