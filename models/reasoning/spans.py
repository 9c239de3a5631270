"""A short answer that the model can only take from the evidence, word for word.

Generation is bound to runs of words of given sentences: each token must go on with what some
sentence says next, and may stop only where a word ends. What the model chooses is where to
begin and where to stop, so that it can be wrong but cannot invent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from models.reasoning.context import Fork

LONGEST = 20
"""Tokens of the longest answer."""


class SpanSampler:
    """Chooses tokens for :meth:`models.reasoning.context.Fork.generate`; greedy.

    Args:
        tokenizer: marks the beginning of a word by a leading space.
        sentences: what may be quoted.
        stop_id: the token given where the answer is to end.
        enders: tokens whose likelihood counts as that of ending.
    """

    def __init__(
        self, tokenizer: Any, sentences: Sequence[str], stop_id: int, enders: Sequence[int]
    ) -> None:
        self._ids = [tokenizer.encode(f" {text}", add_special_tokens=False) for text in sentences]
        self._begins = [
            [_begins_word(tokenizer, token) for token in sentence] for sentence in self._ids
        ]
        self._stop = stop_id
        self._enders = list(enders)
        self._open: list[tuple[int, int]] | None = None

    def __call__(self, logits: Tensor) -> int:
        """The likeliest allowed token; the stop token where the answer ends."""
        if self._open is None:
            allowed = [
                (number, place)
                for number, sentence in enumerate(self._ids)
                for place in range(len(sentence))
                if self._begins[number][place]
            ]
        else:
            allowed = [(n, p + 1) for n, p in self._open if p + 1 < len(self._ids[n])]
        ended = self._open is not None and self._may_end()
        tokens = torch.tensor(sorted({self._ids[n][p] for n, p in allowed}), dtype=torch.long)
        if not len(tokens):
            return self._stop
        best = int(tokens[int(logits[tokens].argmax())])
        if ended and float(logits[self._enders].max()) > float(logits[best]):
            return self._stop
        self._open = [(n, p) for n, p in allowed if self._ids[n][p] == best]
        return best

    def _may_end(self) -> bool:
        assert self._open is not None
        return any(p + 1 >= len(self._ids[n]) or self._begins[n][p + 1] for n, p in self._open)


def spans(
    fork: Fork,
    tokenizer: Any,
    sentences: Sequence[str],
    stop_id: int,
    enders: Sequence[int],
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[int]:
    """Tokens of the answer that ``fork``, which ends in its prompt, takes from ``sentences``."""
    sampler = SpanSampler(tokenizer, sentences, stop_id, enders)
    return fork.generate(LONGEST, [stop_id], cancelled, sampler)


def _begins_word(tokenizer: Any, token: int) -> bool:
    text: str = tokenizer.decode([token])
    return text.startswith(" ") and len(text) > 1
