"""The streaming context: a model's running past, extended as the stream goes on.

The past is a preallocated key-value cache. The watcher appends to it in chunks; a question
takes a :class:`Fork`, which reads the past through a view (no copy, whatever its length) and
writes its own tokens to a private tail. Appending goes on while forks generate: a fork sees
only what was there when it was taken, or as of an earlier length.

It works with any transformers decoder whose layers attend to the whole past and whose
attention goes through the library's attention interface (Llama, Qwen2, Qwen3, SmolLM2,
SmolVLM, Qwen2.5-VL, Qwen3-VL, Qwen2.5-Omni and others).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache, CacheLayerMixin

from models.reasoning.attention import NAME, KeyValue, choose_backend
from models.reasoning.gate import PriorityGate

Sampler = Callable[[Tensor], int]
"""From logits ``(vocabulary,)`` in float32 to a token id."""

_TAIL_SLOTS = 64
"""Slots a fork's tail begins with; it doubles when full."""


class ContextFull(Exception):
    """The tokens do not fit into what is left of the context."""


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """A run of ``n`` tokens on their way into a context.

    Attributes:
        ids: int64 ``(n,)``; or None with ``embeds``.
        embeds: ``(n, hidden size)``; or None with ``ids``.
        positions: int64 rotary positions ``(n,)``, or ``(3, n)`` for M-RoPE (time, height,
            width); None continues from the last.
        visual: bool ``(n,)``, which tokens are visual, for models with deepstack.
        deepstack: per early layer, ``(visual tokens, hidden size)`` added after that layer.
        next_position: position of the token that follows, where that is not one more than
            the greatest position so far.
        relative: positions count from wherever the run is appended, not from the beginning
            of the context, so the same run can stand at any place.
    """

    ids: Tensor | None = None
    embeds: Tensor | None = None
    positions: Tensor | None = None
    visual: Tensor | None = None
    deepstack: tuple[Tensor, ...] = ()
    next_position: int | None = None
    relative: bool = False

    def __post_init__(self) -> None:
        if (self.ids is None) == (self.embeds is None):
            raise ValueError("tokens are given by ids or by embeds: exactly one of the two")

    @classmethod
    def of(cls, given: Tokens | Tensor | Sequence[int], positions: Tensor | None = None) -> Tokens:
        """From ids (a sequence, or an integer tensor) or embeddings (a floating tensor); a
        leading batch dimension of 1 is taken off."""
        if isinstance(given, Tokens):
            return given if positions is None else replace(given, positions=positions)
        tensor = given if isinstance(given, Tensor) else torch.tensor(list(given))
        if tensor.is_floating_point() and tensor.numel():
            return cls(embeds=tensor.flatten(0, -2), positions=positions)
        return cls(ids=tensor.flatten().long(), positions=positions)

    def __len__(self) -> int:
        tensor = self.ids if self.ids is not None else self.embeds
        assert tensor is not None
        return len(tensor)

    def at(self, first: int) -> Tokens:
        """With its positions counted from the beginning of a context whose next is ``first``."""
        if not self.relative:
            return self
        return replace(
            self,
            positions=None if self.positions is None else self.positions + first,
            next_position=None if self.next_position is None else self.next_position + first,
            relative=False,
        )

    def split(self, size: int) -> Iterator[Tokens]:
        """In runs of at most ``size``."""
        if len(self) <= size:
            if len(self):
                yield self
            return
        for start in range(0, len(self), size):
            run = slice(start, start + size)
            seen = self.visual[:start].sum() if self.visual is not None else 0
            shown = self.visual[run].sum() if self.visual is not None else 0
            yield Tokens(
                ids=None if self.ids is None else self.ids[run],
                embeds=None if self.embeds is None else self.embeds[run],
                positions=None if self.positions is None else self.positions[..., run],
                visual=None if self.visual is None else self.visual[run],
                deepstack=tuple(layer[seen : seen + shown] for layer in self.deepstack),
                next_position=self.next_position if start + size >= len(self) else None,
                relative=self.relative,
            )


class _Layer(CacheLayerMixin):  # type: ignore[misc]
    """One layer's own slots after a past that it only reads."""

    def __init__(self, past: tuple[KeyValue, ...], slots: int, grows: bool) -> None:
        super().__init__()
        self.past = past
        self.slots = slots
        self.grows = grows
        self.length = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.keys = self._allocate(key_states)
        self.values = self._allocate(value_states)
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Keep the new states, and hand the same back: attention reads the past itself."""
        stop = self.length + key_states.shape[2]
        while self.grows and stop > self.slots:
            self.slots *= 2
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        elif self.keys.shape[2] < self.slots:
            old_keys, old_values = self.own()
            self.lazy_initialization(key_states, value_states)
            self.keys[:, :, : self.length] = old_keys
            self.values[:, :, : self.length] = old_values
        self.keys[:, :, self.length : stop] = key_states
        self.values[:, :, self.length : stop] = value_states
        return key_states, value_states

    def own(self) -> KeyValue:
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]

    def parts(self) -> tuple[KeyValue, ...]:
        return (*self.past, self.own()) if self.length else self.past

    def get_seq_length(self) -> int:
        return sum(k.shape[2] for k, _ in self.past) + self.length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.get_seq_length() + query_length, 0

    def get_max_length(self) -> int:
        return -1 if self.grows else self.slots

    def _allocate(self, like: Tensor) -> Tensor:
        batch, heads, _, size = like.shape
        return like.new_empty(batch, heads, self.slots, size)


class _KeyValues(Cache):  # type: ignore[misc]
    """The cache a forward pass writes to; also the past its attention reads."""

    def __init__(
        self, pasts: Sequence[tuple[KeyValue, ...]], slots: int, grows: bool, backend: str
    ) -> None:
        super().__init__(layers=[_Layer(past, slots, grows) for past in pasts])
        self.backend = backend
        self.observer: Callable[[int, Tensor, float], None] | None = None

    def parts(self, layer: int) -> Sequence[KeyValue]:
        parts: tuple[KeyValue, ...] = self.layers[layer].parts()
        return parts

    def observe(self, layer: int, query: Tensor, scale: float) -> None:
        if self.observer is not None:
            self.observer(layer, query, scale)

    def commit(self, tokens: int) -> None:
        """Make what the last forward pass wrote part of the past."""
        for layer in self.layers:
            layer.length += tokens

    def views(self, length: int) -> list[tuple[KeyValue, ...]]:
        """The first ``length`` of the own slots, after the past, layer by layer."""
        return [
            (*layer.past, (layer.keys[:, :, :length], layer.values[:, :, :length]))
            if length
            else layer.past
            for layer in self.layers
        ]

    @property
    def nbytes(self) -> int:
        """Bytes of the own slots, not of the past that is shared."""
        return sum(
            layer.keys.nbytes + layer.values.nbytes for layer in self.layers if layer.is_initialized
        )


class _Decoder:
    """A model's text decoder with its output head."""

    def __init__(self, model: Any, backend: str | None) -> None:
        self.model = model
        self.body: Any = model.get_decoder()
        self.embed: nn.Module = self.body.get_input_embeddings()
        self.head: nn.Module = model.get_output_embeddings()
        self.body.set_attn_implementation(NAME)
        self.layers: int = self.body.config.num_hidden_layers
        weight = next(self.body.parameters())
        self.backend = choose_backend(weight.device, weight.dtype, backend)

    @property
    def device(self) -> torch.device:
        weight: Tensor = next(self.embed.parameters())
        return weight.device

    @torch.inference_mode()
    def run(
        self,
        cache: _KeyValues,
        positions: Tensor,
        ids: Tensor | None = None,
        embeds: Tensor | None = None,
        visual: Tensor | None = None,
        deepstack: tuple[Tensor, ...] = (),
        **more: Any,
    ) -> Tensor:
        """One forward pass over ``(batch, n)`` tokens; hidden states ``(batch, n, size)``.
        ``more`` is handed to the decoder."""
        device = self.device
        if embeds is None:
            assert ids is not None
            embeds = self.embed(ids.to(device))
        extra: dict[str, Any] = {}
        if deepstack:
            assert visual is not None
            extra = {"visual_pos_masks": visual, "deepstack_visual_embeds": list(deepstack)}
        out = self.body(
            inputs_embeds=embeds.to(device),
            position_ids=positions.to(device),
            past_key_values=cache,
            use_cache=True,
            streaming=cache,
            **extra,
            **more,
        )
        hidden: Tensor = out.last_hidden_state
        return hidden

    @torch.inference_mode()
    def logits(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.head(hidden)
        return out.float()


def _place(tokens: Tokens, first: int) -> tuple[Tensor, Tensor]:
    """Positions of a run that begins at ``first`` (``(1, n)`` or ``(3, 1, n)``), and for each
    token the position that follows it, ``(n,)``."""
    positions = tokens.positions
    if positions is None:
        positions = torch.arange(first, first + len(tokens))
    greatest = positions.cpu() if positions.ndim == 1 else positions.cpu().amax(0)
    after = greatest.cummax(0).values.clamp(min=first - 1) + 1
    if tokens.next_position is not None:
        after[-1] = tokens.next_position
    return positions.unsqueeze(-2), after


class StreamingContext:
    """The running past of a model, for one stream.

    One thread may append; any number may fork and use their forks meanwhile.

    Args:
        model: a transformers model with a text decoder and an output head. Its decoder's
            attention implementation is set to the streaming one (which serves plain forward
            passes through SDPA as before).
        capacity: most tokens the context holds; the cache of this size is allocated with
            the first token.
        chunk: tokens of one prefill pass: the most that an answer may have to wait for.
        gate: shared with all that use the same model; a fresh one by default.
        backend: attention backend to force, see
            :func:`models.reasoning.attention.choose_backend`.

    Raises:
        ValueError: the backend cannot run here.
    """

    def __init__(
        self,
        model: Any,
        capacity: int,
        chunk: int = 256,
        gate: PriorityGate | None = None,
        backend: str | None = None,
    ) -> None:
        self.gate = gate or PriorityGate()
        self.capacity = capacity
        self.chunk = chunk
        self._decoder = _Decoder(model, backend)
        self._cache = _KeyValues(
            [()] * self._decoder.layers, capacity, False, self._decoder.backend
        )
        self._length = 0
        self._next = torch.zeros(capacity + 1, dtype=torch.long)

    @property
    def backend(self) -> str:
        """The attention backend in use."""
        return self._decoder.backend

    @property
    def length(self) -> int:
        """Tokens in the context."""
        return self._length

    @property
    def next_position(self) -> int:
        """Rotary position of the next token."""
        return int(self._next[self._length])

    @property
    def nbytes(self) -> int:
        """Bytes of the cache."""
        return self._cache.nbytes

    def append(
        self, tokens: Tokens | Tensor | Sequence[int], positions: Tensor | None = None
    ) -> None:
        """Prefill tokens, chunk by chunk, letting answers go first.

        A fork taken meanwhile sees whole chunks.

        Raises:
            ContextFull: they do not fit; nothing was appended.
        """
        given = Tokens.of(tokens, positions).at(self.next_position)
        if self._length + len(given) > self.capacity:
            raise ContextFull(
                f"{len(given)} tokens do not fit: the context holds {self._length} of "
                f"{self.capacity}"
            )
        for run in given.split(self.chunk):
            place, after = _place(run, self.next_position)
            with self.gate.background():
                _forward(self._decoder, self._cache, run, place)
                stop = self._length + len(run)
                self._next[self._length + 1 : stop + 1] = after
                self._cache.commit(len(run))
            self._length = stop

    def fork(self, length: int | None = None, more: Mapping[str, Any] | None = None) -> Fork:
        """A branch that continues from the first ``length`` tokens (default: all).

        Costs no copy: the branch reads the shared cache, of which later appending changes
        no slot that it can see.

        Args:
            more: handed to the decoder with each of the branch's passes: what its tokens may
                look into, say (:mod:`models.reasoning.hybrid.slow_keys`).

        Raises:
            ValueError: ``length`` is beyond the context.
        """
        length = self._length if length is None else length
        if not 0 <= length <= self._length:
            raise ValueError(f"cannot fork at {length}: the context holds {self._length} tokens")
        return Fork(
            self._decoder,
            self._cache.views(length),
            length,
            int(self._next[length]),
            self.chunk,
            self.gate,
            more,
        )


def _forward(
    decoder: _Decoder, cache: _KeyValues, run: Tokens, place: Tensor, **more: Any
) -> Tensor:
    return decoder.run(
        cache,
        place,
        ids=None if run.ids is None else run.ids[None],
        embeds=None if run.embeds is None else run.embeds[None],
        visual=None if run.visual is None else run.visual[None],
        deepstack=run.deepstack,
        **more,
    )


def greedy(logits: Tensor) -> int:
    """The likeliest token."""
    return int(logits.argmax())


class Fork:
    """A private continuation of a shared past; made by :meth:`StreamingContext.fork`.

    Used by one thread at a time.
    """

    def __init__(
        self,
        decoder: _Decoder,
        pasts: Sequence[tuple[KeyValue, ...]],
        past_length: int,
        next_position: int,
        chunk: int,
        gate: PriorityGate,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        self.past_length = past_length
        self.next_position = next_position
        self._decoder = decoder
        self._cache = _KeyValues(pasts, _TAIL_SLOTS, True, decoder.backend)
        self._own = 0
        self._chunk = chunk
        self._gate = gate
        self._more = dict(more or {})
        self._last: Tensor | None = None

    @property
    def length(self) -> int:
        """Tokens of the past and of the fork's own."""
        return self.past_length + self._own

    @property
    def nbytes(self) -> int:
        """Bytes the fork itself allocated."""
        return self._cache.nbytes

    def past_keys(self, layer: int) -> list[Tensor]:
        """Rotated keys of the past that the fork shares, in one part or more, oldest first,
        each ``(1, key-value heads, length, head size)``; views, to be read only."""
        return [keys for keys, _ in self._cache.layers[layer].past]

    def fork(self) -> Fork:
        """A branch of this branch; this one must not be appended to while it is used."""
        branch = Fork(
            self._decoder,
            self._cache.views(self._own),
            self.length,
            self.next_position,
            self._chunk,
            self._gate,
            self._more,
        )
        branch._last = self._last
        return branch

    def append(
        self,
        tokens: Tokens | Tensor | Sequence[int],
        positions: Tensor | None = None,
        all_logits: bool = False,
        observer: Callable[[int, Tensor, float], None] | None = None,
    ) -> Tensor:
        """Prefill the fork's own tokens.

        Args:
            observer: called at each layer with its index, the rotated queries
                ``(1, heads, n, head size)`` and the scale of their scores.

        Returns:
            float32 logits of the last token ``(vocabulary,)``, or of all ``(n, vocabulary)``.

        Raises:
            ValueError: there are no tokens.
        """
        given = Tokens.of(tokens, positions).at(self.next_position)
        if not len(given):
            raise ValueError("a fork cannot be extended by no tokens")
        kept = []
        self._cache.observer = observer
        try:
            for run in given.split(self._chunk):
                place, after = _place(run, self.next_position)
                with self._gate.foreground():
                    hidden = _forward(self._decoder, self._cache, run, place, **self._more)[0]
                    self._cache.commit(len(run))
                    kept.append(self._decoder.logits(hidden if all_logits else hidden[-1:]))
                self._own += len(run)
                self.next_position = int(after[-1])
        finally:
            self._cache.observer = None
        logits = torch.cat(kept) if all_logits else kept[-1]
        self._last = logits[-1]
        return logits if all_logits else logits[-1]

    def generate(
        self,
        max_new_tokens: int,
        stop_ids: Sequence[int] = (),
        cancelled: Callable[[], bool] = lambda: False,
        sampler: Sampler = greedy,
    ) -> Iterator[int]:
        """New tokens one by one, each kept in the fork; ends before a stop token.

        Closing the iterator, or ``cancelled()`` turning true, ends it at the next token.

        Raises:
            ValueError: nothing was appended to the fork, so there is nothing to go on from.
        """
        logits = self._require_last()
        with self._gate.answering():
            for made in range(max_new_tokens):
                if cancelled():
                    return
                token = sampler(logits)
                if token in stop_ids:
                    return
                yield token
                if made + 1 < max_new_tokens and not cancelled():
                    logits = self.append([token])

    @torch.inference_mode()
    def score(self, continuations: Sequence[Sequence[int]]) -> list[float]:
        """Sum of log-likelihoods of each continuation's tokens, in one batch.

        The fork itself stays as it was; the past is shared by all rows, not repeated.

        Raises:
            ValueError: a continuation is empty, or nothing was appended to the fork.
        """
        first = self._require_last().log_softmax(-1)
        if any(not len(c) for c in continuations):
            raise ValueError("a continuation to be scored has no tokens")
        totals = [float(first[c[0]]) for c in continuations]
        longest = max(len(c) for c in continuations) - 1
        if longest == 0:
            return totals
        # Rows are padded at the right: attention is causal, so no row sees its padding.
        rows = torch.tensor([[*c[:-1], *[0] * (longest + 1 - len(c))] for c in continuations])
        cache = _KeyValues(
            self._cache.views(self._own), max(longest, 1), False, self._decoder.backend
        )
        place = torch.arange(self.next_position, self.next_position + longest)
        with self._gate.foreground():
            hidden = self._decoder.run(cache, place.expand(len(rows), -1), ids=rows, **self._more)
            likely = self._decoder.logits(hidden).log_softmax(-1)
        for row, continuation in enumerate(continuations):
            for step, token in enumerate(continuation[1:]):
                totals[row] += float(likely[row, step, token])
        return totals

    def _require_last(self) -> Tensor:
        if self._last is None:
            raise ValueError("append a prompt to the fork before generating or scoring")
        return self._last
