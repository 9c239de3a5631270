"""What compression takes from the answers of models that were not trained for it.

    python -m tests.bench.compression [video] [text]

The past is compressed 2, 4 and 16 times; the predictions for the tokens after it are compared
with those from the whole past: KL divergence in nats, and how often the likeliest token is
the same. ``none`` has no past at all: what there is to lose.

``video``: tiny random models on the frames of the sample clip. ``fast`` pools, ``slow`` keeps
what changed most, ``random`` keeps as many at random.

``text``: SmolLM2-135M, on English text. ``merge`` averages neighbouring embeddings, placed
closely (as pooling does here) or where they were; ``every`` keeps each how-manyeth token where
it was; ``last`` keeps the end only; ``rolling`` is what the rolling context does: the newest
passages whole, of older ones the first quarter.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.compression.drop import keep_highest
from models.compression.slow_fast import SlowFast
from models.reasoning.context import StreamingContext, Tokens
from models.reasoning.multimodal.family import Clip
from models.reasoning.multimodal.qwen import Qwen3VL, Qwen25VL
from models.reasoning.multimodal.smolvlm import SmolVLM
from models.reasoning.multimodal.visual import VisualTokens
from models.reasoning.rolling import Entry, consolidate
from tests.bench.streams import english, smollm2
from tests.conftest import ROOT
from tests.models.reasoning.multimodal.tiny import tiny

TIMES = (2, 4, 16)
PASSAGES, PAST, AFTER = 4, 384, 48


class Loss:
    """Means over several comparisons."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int], list[tuple[float, float]]] = {}

    def add(self, way: str, times: int, full: Tensor, other: Tensor) -> None:
        """Compare logits ``(n, vocabulary)``."""
        p, q = full.log_softmax(-1), other.log_softmax(-1)
        divergence = float((p.exp() * (p - q)).sum(-1).mean())
        same = float((full.argmax(-1) == other.argmax(-1)).float().mean())
        self.rows.setdefault((way, times), []).append((divergence, same))

    def report(self, title: str) -> None:
        print(f"\n{title}\n{'':22}" + "".join(f"{f'{t} x':>18}" for t in TIMES))
        for way in dict.fromkeys(way for way, _ in self.rows):
            cells = []
            for times in TIMES:
                mean = np.mean(self.rows.get((way, times)) or self.rows[way, 0], axis=0)
                cells.append(f"KL {mean[0]:5.2f} same {mean[1]:4.0%}")
            print(f"{way:22}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


def sample(count: int, height: int = 48, width: int = 80) -> Iterator[NDArray[np.uint8]]:
    """``count`` frames of the sample clip, half a second apart."""
    video = cv2.VideoCapture(str(ROOT / "assets" / "sample.mp4"))
    rate = video.get(cv2.CAP_PROP_FPS)
    for number in range(count):
        video.set(cv2.CAP_PROP_POS_FRAMES, int(number * rate / 2))
        good, image = video.read()
        if not good:
            raise SystemExit("the sample clip is shorter than this needs")
        yield cv2.cvtColor(cv2.resize(image, (width, height)), cv2.COLOR_BGR2RGB)


def video() -> None:
    torch.set_num_threads(1)
    families = {"qwen3_vl": Qwen3VL, "qwen2_5_vl": Qwen25VL, "smolvlm": SmolVLM}
    pictures = list(sample(32))
    for kind, adapter in families.items():
        made = tiny(kind)
        limits = {} if kind == "smolvlm" else {"clip_frames": 8}
        family: Any = adapter(made.model, made.processor, **limits)
        loss = Loss()
        for first in range(0, len(pictures), 8):
            shown = pictures[first : first + 8]
            features = family.encode(shown, [0.5 * n for n in range(8)])
            everything = VisualTokens.all_of(features)
            full = read(family, everything)
            loss.add("none", 0, full, read(family, None))
            for times in TIMES:
                count = len(everything) // times
                budget = SlowFast(count * 60 / 4.0, count * 60 / 4.0, fast_frames_per_minute=30)
                chance = torch.rand(len(everything), generator=torch.Generator().manual_seed(first))
                loss.add("fast", times, full, read(family, budget.fast(features, 4.0)))
                loss.add("slow", times, full, read(family, budget.slow(features, 4.0)))
                random = keep_highest(everything, chance, count)
                loss.add("random", times, full, read(family, random))
        title = f"{family.name}, tiny and random, {len(everything)} visual tokens"
        loss.report(title)


def read(family: Any, visual: VisualTokens | None) -> Tensor:
    shown = [] if visual is None else [Clip(visual)]
    context = StreamingContext(family.model, 1024)
    context.append(family.render(["the picture: ", *shown, "\n"]))
    asked = family.render(["what is seen in the picture? who says hello? a cat sat on the mat"])
    return context.fork().append(asked, all_logits=True)


def text() -> None:
    torch.set_num_threads(1)
    model, tokenizer = smollm2()
    ids = torch.tensor(tokenizer(english(200_000)).input_ids)
    embed = model.get_input_embeddings()
    loss = Loss()

    def after(tokens: Tokens | None, next_position: int, question: Tensor) -> Tensor:
        context = StreamingContext(model, PAST)
        if tokens is not None:
            context.append(tokens)
        place = torch.arange(next_position, next_position + AFTER)
        return context.fork().append(Tokens(ids=question, positions=place), all_logits=True)

    for passage in range(PASSAGES):
        start = 6000 * passage
        past, question = ids[start : start + PAST], ids[start + PAST : start + PAST + AFTER]
        full = after(Tokens(ids=past), PAST, question)
        loss.add("none", 0, full, after(None, 0, question))
        for times in TIMES:
            count = PAST // times
            with torch.inference_mode():
                means = embed(past).unflatten(0, (count, times)).mean(1)
            kept = torch.arange(times // 2, PAST, times)
            ways = {
                "merge, close": after(Tokens(embeds=means), count, question),
                "merge, in place": after(Tokens(embeds=means, positions=kept), PAST, question),
                "every": after(Tokens(ids=past[kept], positions=kept), PAST, question),
                "rolling": after(Tokens(ids=consolidated(past, count)), count, question),
                "last": after(Tokens(ids=past[-count:]), count, question),
            }
            for way, logits in ways.items():
                loss.add(way, times, full, logits)
    loss.report(f"SmolLM2-135M float32, {PAST} tokens of text, {PASSAGES} passages")


def consolidated(past: Tensor, count: int) -> Tensor:
    passages = [Tokens(ids=run) for run in past.split(24)]
    entries = [Entry(n, float(n), run, Tokens(ids=run.ids[:6])) for n, run in enumerate(passages)]
    return torch.cat([past[:0], *(e.tokens.ids for e in consolidate(entries, count))])


if __name__ == "__main__":
    for part in sys.argv[1:] or ["video", "text"]:
        {"video": video, "text": text}[part]()
