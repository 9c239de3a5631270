"""The decoders that are trained and compared: with slow tokens, and without."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
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
    """Streams of the same length, each with questions that do not see one another."""

    sensed: list[Sensed]
    asked: list[list[Asked]]


class Arm:
    """A frozen decoder with the new weights of one way to see.

    The decoder may be in bfloat16; the new weights are in float32 always.

    Args:
        model: a transformers model; may be shared by arms.
        layers: hybrid layers; none for a decoder that has fast tokens alone.
    """

    def __init__(self, model: Any, tokenizer: Any, layers: Sequence[int]) -> None:
        self.model = model
        self.tokenizer = tokenizer
        embedding: Tensor = model.get_input_embeddings().weight.detach()
        scale = float(embedding.float().square().mean().sqrt())
        self.projector = Projector(embedding.shape[1], scale)
        self.hybrid = HybridDecoder(model, layers)
        for layer in self.hybrid.layers.values():
            # Half open for every token, so that all learn from the first steps on; the strength
            # is zero all the same.
            nn.init.constant_(layer.gate.bias, 0.5)
        model.requires_grad_(False)
        self.weights = nn.ModuleDict({"projector": self.projector, "slow": self.hybrid.weights})
        """All that is trained."""
        self.weights.float()

    def loss(self, batch: Batch) -> tuple[Tensor, float]:
        """Mean cross-entropy of the right answers among their options, by their first tokens;
        and the share of questions of which the likeliest option is right.

        Of the whole vocabulary the decoder would learn for long how an answer looks before it
        learnt to see.
        """
        logits, flat = self._logits(batch)
        answers = torch.tensor([question.options.index(question.answer) for question in flat])
        right = (logits.argmax(1) == answers).float().mean()
        return functional.cross_entropy(logits, answers), float(right)

    @torch.no_grad()
    def choose(self, batch: Batch, slow_of: Sequence[Sensed] | None = None) -> list[str]:
        """The likeliest option of each question, row by row.

        Args:
            slow_of: other streams, whose slow tokens are looked into instead.
        """
        logits, flat = self._logits(batch, slow_of)
        best = logits.argmax(1).tolist()
        return [question.options[place] for place, question in zip(best, flat, strict=True)]

    @torch.no_grad()
    def likelihood(self, sensed: Sensed, question: str, answer: str) -> float:
        """Mean log-likelihood of an answer's tokens, of any length, to any question."""
        prompt, given = self._ids(PROMPT.format(question)), self._ids(" " + answer)
        hidden = self._hidden([sensed], [[prompt + given]])[0, len(prompt) - 1 : -1]
        likely = self.model.get_output_embeddings()(hidden).float().log_softmax(-1)
        return float(likely[range(len(given)), given].mean())

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        return ids

    def _logits(
        self, batch: Batch, slow_of: Sequence[Sensed] | None = None
    ) -> tuple[Tensor, list[Asked]]:
        """Of each question's options, float32 ``(n, most options)``, minus infinity where there
        are fewer; and the questions."""
        prompts = [[self._ids(PROMPT.format(q.text)) for q in asked] for asked in batch.asked]
        hidden = self._hidden(batch.sensed, prompts, slow_of)
        lasts = [accumulate(len(ids) for ids in of_one) for of_one in prompts]
        ends = [hidden[row, end - 1] for row, of_one in enumerate(lasts) for end in of_one]
        logits = self.model.get_output_embeddings()(torch.stack(ends)).float()
        flat = [question for asked in batch.asked for question in asked]
        firsts = _rows([[self._ids(" " + o)[0] for o in q.options] for q in flat], -1)
        of_options = logits.gather(1, firsts.clamp(min=0))
        return of_options.masked_fill(firsts < 0, -math.inf), flat

    def _hidden(
        self,
        sensed: Sequence[Sensed],
        texts: Sequence[Sequence[list[int]]],
        slow_of: Sequence[Sensed] | None = None,
    ) -> Tensor:
        """What the decoder makes of texts after the fast tokens of their streams.

        A stream's texts stand one after the other in its row ``(tokens, size)``, yet each sees
        the fast tokens and itself alone, and its positions go on from theirs.
        """
        with torch.autocast("cpu", torch.bfloat16, self.model.dtype == torch.bfloat16):
            pictures, sounds = self.projector(sensed)
            fast = torch.cat([pictures.mean(2), _pairs(sounds)], 1)
            count = fast.shape[1]
            words = _rows([[i for ids in row for i in ids] for row in texts], 0)
            owner = _rows([[n for n, ids in enumerate(row) for _ in ids] for row in texts], -1)
            place = _rows([[i for ids in row for i in range(len(ids))] for row in texts], 0)
            first = torch.arange(count).expand(len(place), -1)
            embeds = torch.cat([fast, self.model.get_input_embeddings()(words)], 1)
            embeds = embeds.to(self.model.dtype)
            more: dict[str, Any] = {}
            if self.hybrid.layers:
                seen = pictures if slow_of is None else self.projector(slow_of)[0]
                text = torch.ones(embeds.shape[:2], dtype=torch.bool)
                text[:, :count] = False
                more["slow"] = self.hybrid.look(seen.flatten(1, 2), text=text)
            out = self.model.get_decoder()(
                inputs_embeds=embeds,
                attention_mask=_branches(owner, count, embeds.dtype),
                position_ids=torch.cat([first, count + place], 1),
                use_cache=False,
                **more,
            )
            hidden: Tensor = out.last_hidden_state[:, count:]
            return hidden


def _rows(rows: Sequence[list[int]], filler: int) -> Tensor:
    """``(rows, longest)``, filled up at the right."""
    return nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], True, filler)


def _branches(owner: Tensor, shared: int, dtype: torch.dtype) -> Tensor:
    """What is added to attention scores so that each token sees the ``shared`` first ones and,
    of those after them, its own text's: ``(batch, 1, n, n)``.

    Args:
        owner: ``(batch, n - shared)``, the number of each token's text; -1 for padding.
    """
    owner = functional.pad(owner, (shared, 0), value=-2)
    sees = (owner[:, :, None] == owner[:, None]) | (owner == -2)[:, None]
    sees = sees.tril()
    return torch.zeros(sees.shape, dtype=dtype).masked_fill(~sees, -math.inf)[:, None]


def _pairs(sounds: Tensor) -> Tensor:
    """Means of two seconds each, of ``(batch, seconds, size)``; the last may be of one."""
    return torch.stack([run.mean(1) for run in torch.split(sounds, 2, 1)], 1)
