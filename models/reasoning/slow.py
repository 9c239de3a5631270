"""Slow tokens on demand: kept aside under a byte budget, chosen for a question.

The newest segments' slow tokens are in memory, older ones are spilled (to disk, say), and of
the oldest only the fast tokens in the context are left.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from safetensors.torch import load, save
from torch import Tensor

from models.reasoning.multimodal.visual import VisualTokens

Form = Literal["bf16", "int8"]
"""How stored tokens are kept: 2 bytes a number; or 1, with a scale for each token."""


class Blobs(Protocol):
    """Where slow tokens go that memory has no room for. Each call may fail with an
    ``OSError``, which the store passes on."""

    def write(self, key: int, blob: bytes) -> None: ...

    def read(self, key: int) -> bytes | None:
        """The blob, or None where there is none."""
        ...

    def remove(self, key: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Held:
    """What a store holds: segments in memory and spilled, with their bytes, and how many
    have been let go."""

    in_memory: int
    spilled: int
    let_go: int
    memory_bytes: int
    spilled_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class _Packed:
    """Visual tokens as they are stored; ``tensors`` is what safetensors takes."""

    tensors: dict[str, Tensor]
    size: tuple[int, int, int]
    times: tuple[float, ...]

    @classmethod
    def of(cls, given: VisualTokens, form: Form) -> _Packed:
        tensors = {"grid": given.grid.to("cpu", torch.int16)}
        for number, layer in enumerate((given.tokens, *given.deepstack)):
            layer = layer.detach().cpu()
            if form == "int8":
                scale = layer.float().abs().amax(-1, keepdim=True).clamp(min=1e-12) / 127
                tensors[f"scale.{number}"] = scale
                tensors[f"layer.{number}"] = (layer.float() / scale).round().to(torch.int8)
            else:
                tensors[f"layer.{number}"] = layer.to(torch.bfloat16)
        # Views would keep the whole of what they were cut from.
        return cls({k: t.clone() for k, t in tensors.items()}, given.size, given.times)

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in self.tensors.values())

    def tokens(self) -> VisualTokens:
        layers: list[Tensor] = []
        while (layer := self.tensors.get(f"layer.{len(layers)}")) is not None:
            scale = self.tensors.get(f"scale.{len(layers)}")
            layers.append(layer.float() if scale is None else layer.float() * scale)
        return VisualTokens(
            tokens=layers[0],
            grid=self.tensors["grid"].long(),
            size=self.size,
            times=self.times,
            deepstack=tuple(layers[1:]),
        )

    def blob(self) -> bytes:
        facts = {
            "size": torch.tensor(self.size),
            "times": torch.tensor(self.times, dtype=torch.float64),
        }
        packed: bytes = save(self.tensors | facts)
        return packed

    @classmethod
    def from_blob(cls, blob: bytes) -> _Packed:
        tensors = load(blob)
        steps, height, width = tensors.pop("size").tolist()
        return cls(tensors, (steps, height, width), tuple(tensors.pop("times").tolist()))


class SlowStore:
    """Slow tokens by segment, the newest in memory. Any thread may call.

    Args:
        memory_bytes: the most that lies in memory.
        form: how tokens are kept. ``int8`` (symmetric, a scale for each token, as in
            LLM.int8(), arXiv 2208.07339) halves the bytes.
        spill: where older ones go; without it they are let go.
        spill_bytes: the most that is spilled; older than that is let go.
    """

    def __init__(
        self,
        memory_bytes: int,
        form: Form = "bf16",
        spill: Blobs | None = None,
        spill_bytes: int | None = None,
    ) -> None:
        self._memory_bytes = memory_bytes
        self._form = form
        self._spill = spill
        self._spill_bytes = spill_bytes
        self._lock = threading.Lock()
        self._packed: OrderedDict[int, _Packed] = OrderedDict()
        self._sizes: OrderedDict[int, int] = OrderedDict()  # bytes of those spilled
        self._counts: dict[int, int] = {}  # tokens of all that can be had
        self._memory_used = self._spill_used = 0
        self._let_go = 0

    def put(self, key: int, tokens: VisualTokens) -> None:
        """Keep a segment's slow tokens; keys rise with stream time.

        Raises:
            ValueError: the key is not above those before.
            OSError: what has no room in memory could not be spilled; it is kept in memory.
        """
        packed = _Packed.of(tokens, self._form)
        with self._lock:
            if self._counts and key <= next(reversed(self._counts)):
                raise ValueError(f"slow tokens of segment {key} come after those of a later one")
            self._packed[key] = packed
            self._counts[key] = len(tokens)
            self._memory_used += packed.nbytes
            while self._memory_used > self._memory_bytes:
                self._move_oldest()

    def get(self, key: int) -> VisualTokens | None:
        """A segment's slow tokens in float32 on the CPU, or None where they are let go."""
        with self._lock:
            packed = self._packed.get(key)
            spilled = key in self._sizes
        if packed is not None:
            return packed.tokens()
        blob = self._spill.read(key) if spilled and self._spill is not None else None
        return None if blob is None else _Packed.from_blob(blob).tokens()

    def counts(self) -> dict[int, int]:
        """Tokens of each segment that :meth:`get` can give, in order of time."""
        with self._lock:
            return dict(self._counts)

    @property
    def held(self) -> Held:
        with self._lock:
            return Held(
                in_memory=len(self._packed),
                spilled=len(self._sizes),
                let_go=self._let_go,
                memory_bytes=self._memory_used,
                spilled_bytes=self._spill_used,
            )

    def _move_oldest(self) -> None:
        key, packed = next(iter(self._packed.items()))
        if self._spill is None:
            self._forget(key)
        else:
            blob = packed.blob()
            self._spill.write(key, blob)
            self._sizes[key] = len(blob)
            self._spill_used += len(blob)
        del self._packed[key]
        self._memory_used -= packed.nbytes
        while (
            self._spill and self._spill_bytes is not None and self._spill_used > self._spill_bytes
        ):
            oldest = next(iter(self._sizes))
            self._spill.remove(oldest)
            self._spill_used -= self._sizes.pop(oldest)
            self._forget(oldest)

    def _forget(self, key: int) -> None:
        del self._counts[key]
        self._let_go += 1


@dataclass(frozen=True, slots=True, eq=False)
class Cues:
    """What speaks for a segment, by its key.

    Attributes:
        recalled: from memory's recall, best first.
        relevance: by the model's attention, see :mod:`models.reasoning.relevance`; above 0
            speaks for it.
        gaze: how long the gaze rested on what matters there, or any weight; above 0 speaks
            for it.
        frames: for some segments, a score for each frame of their slow tokens.
    """

    recalled: Sequence[int] = ()
    relevance: Mapping[int, float] | None = None
    gaze: Mapping[int, float] | None = None
    frames: Mapping[int, Sequence[float]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Slow tokens of one segment, or of some of its frames."""

    key: int
    tokens: VisualTokens


def rank(keys: Sequence[int], cues: Cues) -> list[int]:
    """``keys`` (oldest first), the most promising first.

    The newest comes first, for the present is what most questions are about. The others are
    in the order of their reciprocal ranks, 1 / (60 + rank), summed over the cues (Cormack,
    Clarke and Buettcher 2009, "Reciprocal rank fusion"); the later first where none speaks.
    """
    lists = [cues.recalled]
    for scores in (cues.relevance, cues.gaze):
        speaking = [k for k, score in (scores or {}).items() if score > 0]
        lists.append(sorted(speaking, key=lambda k: (-(scores or {})[k], -k)))
    fused = dict.fromkeys(keys, 0.0)
    for listed in lists:
        for place, key in enumerate(listed, 1):
            if key in fused:
                fused[key] += 1 / (60 + place)
    rest = sorted(keys[:-1], key=lambda k: (-fused[k], -k))
    return [*keys[-1:], *rest]


def choose(
    store: SlowStore, keys: Iterable[int], cues: Cues, budget: int, segments: int = 4
) -> list[Chosen]:
    """Slow tokens for a question, in time order.

    The budget is shared alike among the ``segments`` highest :func:`rank`; what one does not
    need is left to the others. Where a segment's share is too small for it, it gives the
    first frame, as those after it may hold only what changed since, and then the frames of
    the highest scores or, without scores, evenly spread ones.

    Args:
        keys: segments that the question may use (known when it was put).
        budget: the most tokens in all.
    """
    counts = store.counts()
    best = rank(sorted(k for k in keys if k in counts), cues)[:segments]
    chosen = []
    left = budget
    for place, key in enumerate(sorted(best, key=lambda k: (counts[k], -best.index(k)))):
        share = left // (len(best) - place)
        tokens = store.get(key)
        if tokens is None:  # let go since
            continue
        if len(tokens) > share:
            tokens = _frames(tokens, share, (cues.frames or {}).get(key))
        if len(tokens):
            chosen.append(Chosen(key, tokens))
        left -= len(tokens)
    return sorted(chosen, key=lambda c: c.key)


def _frames(tokens: VisualTokens, count: int, scores: Sequence[float] | None) -> VisualTokens:
    """Whole frames of at most ``count`` tokens in all."""
    steps = tokens.size[0]
    sizes = tokens.grid[:, 0].bincount(minlength=steps).tolist()
    order = spread(steps)
    if scores is not None:
        order = [0, *sorted(range(1, steps), key=lambda t: (-scores[t], t))]
    kept = torch.zeros(steps, dtype=torch.bool)
    for step in order:
        if sizes[step] <= count:
            kept[step] = True
            count -= sizes[step]
        elif step == 0:
            break
    return tokens.keep(kept[tokens.grid[:, 0]])


def spread(steps: int) -> list[int]:
    """0 to ``steps - 1`` so that any first few are evenly spread: the first, the last, then
    always the middle of the widest gap."""
    order = list(range(min(steps, 1)))
    if steps > 1:
        order.append(steps - 1)
    gaps = [(0, steps - 1)] if steps > 2 else []
    while gaps:
        start, stop = max(gaps, key=lambda g: (g[1] - g[0], -g[0]))
        gaps.remove((start, stop))
        middle = (start + stop) // 2
        order.append(middle)
        gaps += [g for g in ((start, middle), (middle, stop)) if g[1] - g[0] > 1]
    return order
