"""The decoders that are trained and compared: with slow tokens, and without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.reasoning.hybrid.decoder import HybridDecoder
from models.training.features import CHANNELS, GRID, Sensed
from models.training.scenes import Asked

PROMPT = "{} Answer:"
"""What is put before the decoder for a question; the answer follows after a blank."""

_WAVES = 4
_IGNORED = -100


class Projector(nn.Module):
    """From features of pictures and sounds to tokens in the decoder's width.

    A token knows where in the picture and at which second of the stream it is: slow keys are
    not rotated, so that nothing else tells it.

    Args:
        size: width of the decoder.
        scale: the root mean square that its embeddings have.
    """

    def __init__(self, size: int, scale: float) -> None:
        super().__init__()
        self.picture = nn.Linear(CHANNELS + 2 * GRID + 2 * _WAVES, size)
        self.sound = nn.Linear(CHANNELS + 2 * _WAVES, size)
        self.norm = nn.LayerNorm(CHANNELS)
        self.out = nn.Linear(size, size)
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, sensed: Sequence[Sensed]) -> tuple[Tensor, Tensor]:
        """Of streams of the same length, pictures ``(batch, seconds, GRID * GRID, size)`` and
        sounds ``(batch, seconds, size)``."""
        pictures = self.norm(torch.stack([s.pictures for s in sensed]))
        sounds = torch.stack([s.sounds for s in sensed])
        batch, seconds = sounds.shape[:2]
        angle = torch.arange(seconds)[:, None] / 2.0 ** torch.arange(_WAVES)
        when = torch.cat([angle.sin(), angle.cos()], -1)
        here = functional.one_hot(
            torch.cartesian_prod(torch.arange(GRID), torch.arange(GRID)), GRID
        )
        where = here.flatten(1).view(GRID, GRID, -1).float()
        grid = (batch, seconds, GRID, GRID, -1)
        wide = torch.cat(
            [pictures, where.expand(grid), when[:, None, None].expand(grid)], -1
        ).flatten(2, 3)
        heard = torch.cat([sounds, when.expand(batch, -1, -1)], -1)
        return self._token(self.picture(wide)), self._token(self.sound(heard))

    def _token(self, inner: Tensor) -> Tensor:
        out: Tensor = self.out(functional.gelu(inner))
        return functional.rms_norm(out, out.shape[-1:]) * self.scale


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Streams of the same length, each with questions that are put one after the other."""

    sensed: list[Sensed]
    asked: list[list[Asked]]


class Arm:
    """A frozen decoder with the new weights of one way to see.

    Args:
        model: a transformers model; may be shared by arms.
        layers: hybrid layers; none for a decoder that has fast tokens alone.
    """

    def __init__(self, model: Any, tokenizer: Any, layers: Sequence[int]) -> None:
        self.model = model
        self.tokenizer = tokenizer
        embedding: Tensor = model.get_input_embeddings().weight.detach()
        self.projector = Projector(embedding.shape[1], float(embedding.square().mean().sqrt()))
        self.hybrid = HybridDecoder(model, layers)
        model.requires_grad_(False)
        self.weights = nn.ModuleDict({"projector": self.projector, "slow": self.hybrid.weights})
        """All that is trained."""

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross-entropy of the answers' first tokens, over the whole vocabulary."""
        logits, answers, _ = self._logits(batch)
        return functional.cross_entropy(logits, answers)

    @torch.no_grad()
    def choose(self, batch: Batch, slow_of: Sequence[Sensed] | None = None) -> list[str]:
        """The likeliest option of each question, row by row.

        Args:
            slow_of: other streams, whose slow tokens are looked into instead.
        """
        logits, _, flat = self._logits(batch, slow_of)
        chosen = []
        for row, question in zip(logits, flat, strict=True):
            first = [self._ids(" " + option)[0] for option in question.options]
            chosen.append(question.options[int(row[first].argmax())])
        return chosen

    @torch.no_grad()
    def likelihood(self, sensed: Sensed, question: str, answer: str) -> float:
        """Mean log-likelihood of an answer's tokens, of any length, to any question."""
        prompt, given = self._ids(PROMPT.format(question)), self._ids(" " + answer)
        hidden = self._hidden([sensed], torch.tensor([prompt + given]))[0, len(prompt) - 1 : -1]
        likely = self.model.get_output_embeddings()(hidden).log_softmax(-1)
        return float(likely[range(len(given)), given].mean())

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        return ids

    def _logits(
        self, batch: Batch, slow_of: Sequence[Sensed] | None = None
    ) -> tuple[Tensor, Tensor, list[Asked]]:
        """Where answers begin: logits ``(n, vocabulary)``, the right tokens, the questions."""
        rows, labels = [], []
        for questions in batch.asked:
            row: list[int] = []
            label: list[int] = []
            for question in questions:
                prompt = self._ids(PROMPT.format(question.text))
                answer = self._ids(" " + question.answer)
                row += [*prompt, *answer, *self._ids("\n")]
                label += [_IGNORED] * (len(prompt) - 1) + [answer[0]]
                label += [_IGNORED] * (len(row) - len(label))
            rows.append(torch.tensor(row))
            labels.append(torch.tensor(label))
        # Padded at the right: attention is causal, so no row sees its padding.
        ids = nn.utils.rnn.pad_sequence(rows, True)
        wanted = nn.utils.rnn.pad_sequence(labels, True, _IGNORED)
        at = wanted != _IGNORED
        hidden = self._hidden(batch.sensed, ids, slow_of)
        logits: Tensor = self.model.get_output_embeddings()(hidden[at])
        return logits, wanted[at], [q for questions in batch.asked for q in questions]

    def _hidden(
        self, sensed: Sequence[Sensed], ids: Tensor, slow_of: Sequence[Sensed] | None = None
    ) -> Tensor:
        """What the decoder makes of text ``ids`` ``(batch, n)`` after the fast tokens."""
        pictures, sounds = self.projector(sensed)
        fast = torch.cat([pictures.mean(2), _pairs(sounds)], 1)
        embeds = torch.cat([fast, self.model.get_input_embeddings()(ids)], 1)
        more: dict[str, Any] = {}
        if self.hybrid.layers:
            seen = pictures if slow_of is None else self.projector(slow_of)[0]
            text = torch.ones(embeds.shape[:2], dtype=torch.bool)
            text[:, : fast.shape[1]] = False
            more["slow"] = self.hybrid.look(seen.flatten(1, 2), text=text)
        body = self.model.get_decoder()
        out = body(inputs_embeds=embeds, use_cache=False, **more).last_hidden_state
        hidden: Tensor = out[:, fast.shape[1] :]
        return hidden


def _pairs(sounds: Tensor) -> Tensor:
    """Means of two seconds each, of ``(batch, seconds, size)``; the last may be of one."""
    return torch.stack([run.mean(1) for run in torch.split(sounds, 2, 1)], 1)
