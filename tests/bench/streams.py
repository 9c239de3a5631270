"""What the measurements of the reasoner share: models, made-up streams, timing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pydoc_data.topics import topics
from typing import Any

import numpy as np

from app.home import home
from models.compression.slow_fast import SlowFast
from models.reasoning.context import StreamingContext, Tokens
from models.reasoning.gate import PriorityGate
from models.reasoning.multimodal.family import Clip
from models.reasoning.multimodal.qwen import Qwen25VL
from models.reasoning.multimodal.visual import VisualFeatures
from models.reasoning.rolling import RollingContext
from models.reasoning.smollm2 import load
from tests.models.reasoning.multimodal.tiny import frames, tiny

SECONDS = 8
"""Length of a segment of the made-up video, watched at one frame a second."""


def smollm2() -> tuple[Any, Any]:
    """SmolLM2-135M-Instruct in float32, with its tokenizer."""
    return load(home())


def english(count: int) -> str:
    """At least ``count`` characters of real English: the Python language reference, which
    comes with every Python."""
    return "\n".join(topics[name] for name in sorted(topics))[:count]


class Video:
    """A made-up stream for a tiny random Qwen2.5-VL: pictures, features, tokens."""

    def __init__(self) -> None:
        made = tiny("qwen2_5_vl")
        self.model = made.model
        self.family = Qwen25VL(made.model, made.processor, clip_frames=SECONDS)
        self.compressor = SlowFast(fast_tokens_per_minute=60, slow_tokens_per_minute=120)
        self.shots = [frames(SECONDS, seed, 32, 32) for seed in range(16)]
        self._stored = VisualFeatures.join([self.encode(range(n, n + 1)) for n in range(16)])

    def encode(self, numbers: range) -> VisualFeatures:
        """The vision tower at work on the frames of some segments."""
        pictures = [frame for n in numbers for frame in self.shots[n % 16]]
        times = [float(numbers.start * SECONDS + n) for n in range(len(pictures))]
        features: VisualFeatures = self.family.encode(pictures, times)
        return features

    def stored(self, numbers: range) -> VisualFeatures:
        """The same without the work."""
        steps = len(self._stored.tokens) // 16
        rows = [(n % 16) * steps + step for n in numbers for step in range(steps)]
        times = [n * SECONDS + 2.0 * step + 0.5 for n in numbers for step in range(steps)]
        return VisualFeatures(self._stored.tokens[rows], tuple(times))

    def fast(self, features: VisualFeatures, seconds: float, least: bool = False) -> Tokens:
        compressor = SlowFast(60 / seconds) if least else self.compressor
        run: Tokens = self.family.render([Clip(compressor.fast(features, seconds))])
        return run

    def question(self) -> Tokens:
        run: Tokens = self.family.render(["what is seen in the picture? who says hello?"])
        return run

    def watch(self, context: RollingContext, minutes: float, start: int = 0) -> None:
        """Append ``minutes`` of the stream, from segment ``start``, a segment at a time."""
        for number in range(start, start + segments(minutes)):
            features = self.stored(range(number, number + 1))
            brief = self.fast(features, SECONDS, least=True)
            context.append(self.fast(features, SECONDS), brief, float(SECONDS * (number + 1)))


def rolling(model: Any, capacity: int, head: Sequence[int] = ()) -> RollingContext:
    gate = PriorityGate(patience=0.0)  # one thread does both here: there is nobody to wait for
    return RollingContext(lambda: StreamingContext(model, capacity, gate=gate), head)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleaved(
    ways: dict[str, Callable[[], object]], rounds: int, once_over: float = 5.0
) -> dict[str, float]:
    """Median seconds of each way, all in turn in each round, so that what else the machine
    does meets them alike. A way that takes longer than ``once_over`` is run once."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            if not taken[name] or taken[name][0] < once_over:
                taken[name].append(seconds(work))
    return {name: float(np.median(times)) for name, times in taken.items()}


def segments(minutes: float) -> int:
    return int(60 * minutes / SECONDS)
