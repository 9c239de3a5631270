"""Slow keys and values of a stream: made once a segment, shared by all questions.

The watcher appends each segment's slow features as the stream goes on. A question looks into
the segments it may see; it gets views, so nothing is copied, and what is appended or let go
later changes nothing that it sees.

In a streaming context only a question's own tokens and its answer's look: the running past is
the same for every question, so it cannot depend on what one of them looks into. ::

    keys.append(7, features)                              # watching
    fork = context.fork(more={"slow": keys.look()})       # asking
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext

import torch
from torch import Tensor

from models.reasoning.attention import KeyValue
from models.reasoning.gate import PriorityGate
from models.reasoning.hybrid.decoder import HybridDecoder, Look


class _Block:
    """Room for ``size`` slow tokens from token ``first`` of the stream on, in every layer."""

    def __init__(self, first: int, size: int, like: dict[int, KeyValue]) -> None:
        self.first = first
        self.size = size
        self.layers = {
            index: tuple(t.new_empty(1, t.shape[1], size, t.shape[3]) for t in both)
            for index, both in like.items()
        }

    def put(self, at: int, made: dict[int, KeyValue]) -> None:
        for index, both in made.items():
            for room, tensor in zip(self.layers[index], both, strict=True):
                room[:, :, at - self.first : at - self.first + tensor.shape[2]] = tensor

    def part(self, layer: int, start: int, stop: int) -> KeyValue:
        key, value = self.layers[layer]
        run = slice(start - self.first, stop - self.first)
        return key[:, :, run], value[:, :, run]


class SlowKeys:
    """The slow keys and values of one stream.

    One thread may append; any number may look meanwhile.

    Args:
        decoder: whose layers they are for.
        capacity: the most tokens kept; two blocks or more. Beyond it the oldest are let go, a
            block at a time.
        block: tokens of a block; also the most of one pass, which an answer may have to wait
            for.
        gate: shared with all that use the same model.

    Raises:
        ValueError: the capacity is below two blocks.
    """

    def __init__(
        self,
        decoder: HybridDecoder,
        capacity: int,
        block: int = 4096,
        gate: PriorityGate | None = None,
    ) -> None:
        if capacity < 2 * block:
            raise ValueError(f"slow keys need room for two blocks of {block}: got {capacity}")
        self.capacity = capacity
        self._decoder = decoder
        self._size = block
        self._gate = gate
        self._blocks: tuple[_Block, ...] = ()
        self._spans: dict[int, tuple[int, int]] = {}
        self._end = 0

    @property
    def length(self) -> int:
        """Slow tokens kept."""
        blocks = self._blocks
        return self._end - blocks[0].first if blocks else 0

    @property
    def segments(self) -> list[int]:
        """Segments that are kept whole, oldest first."""
        return list(self._kept()[0])

    @property
    def nbytes(self) -> int:
        """Bytes of the blocks, filled or not."""
        return sum(t.nbytes for block in self._blocks for kv in block.layers.values() for t in kv)

    @torch.inference_mode()
    def append(self, segment: int, features: Tensor) -> None:
        """Keep a segment's slow features ``(n, size)``, in the decoder's width.

        Raises:
            ValueError: the segment is not above those before, or so long that keeping it whole
                could take more than the capacity.
        """
        if self._spans and segment <= next(reversed(self._spans)):
            raise ValueError(f"slow features of segment {segment} come after those of a later one")
        most = self.capacity - self._size
        if len(features) > most:
            raise ValueError(
                f"segment {segment} has {len(features)} slow tokens: {most} are the most here"
            )
        start = self._end
        while len(features):
            last = self._blocks[-1] if self._blocks else None
            room = 0 if last is None else last.first + last.size - self._end
            run, features = features[: room or self._size], features[room or self._size :]
            with self._gate.background() if self._gate else nullcontext():
                made = self._decoder.key_values(run[None])
            if last is None or not room:
                last = _Block(self._end, self._size, made)
                self._blocks = self._within((*self._blocks, last))
            last.put(self._end, made)
            self._end += len(run)
        self._spans = {**self._spans, segment: (start, self._end)}

    def look(self, segments: Iterable[int] | None = None) -> Look:
        """What a question looks into: these segments (those of them that are kept), or all."""
        kept, blocks = self._kept()
        chosen = kept if segments is None else sorted(set(segments) & {*kept})
        parts: dict[int, list[KeyValue]] = {index: [] for index in self._decoder.layers}
        for start, stop in _joined(kept[key] for key in chosen):
            for block in blocks:
                low, high = max(start, block.first), min(stop, block.first + block.size)
                if low < high:
                    for index, both in parts.items():
                        both.append(block.part(index, low, high))
        return Look(self._decoder.layers, parts)

    def _kept(self) -> tuple[dict[int, tuple[int, int]], tuple[_Block, ...]]:
        """Segments kept whole, with their spans; and the blocks. Nothing here changes later."""
        spans, blocks = self._spans, self._blocks
        first = blocks[0].first if blocks else 0
        return {key: span for key, span in spans.items() if span[0] >= first}, blocks

    def _within(self, blocks: tuple[_Block, ...]) -> tuple[_Block, ...]:
        """The newest blocks that the capacity holds."""
        blocks = blocks[-(self.capacity // self._size) :]
        first = blocks[0].first
        self._spans = {key: span for key, span in self._spans.items() if span[0] >= first}
        return blocks


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans in order, those that touch made one."""
    start = stop = 0
    for low, high in spans:
        if low != stop:
            if stop > start:
                yield start, stop
            start = low
        stop = high
    if stop > start:
        yield start, stop
