"""What passes between the vision tower, the compressor and the decoder.

A family encodes frames into :class:`VisualFeatures` (all tokens on their grid); a compressor
keeps some of them, or pools them, into :class:`VisualTokens`; the family renders those into
the decoder's :class:`~models.reasoning.context.Tokens`. With no compressor everything is kept
(:meth:`VisualTokens.all_of`), and the rendering is what the library itself builds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class VisualFeatures:
    """Every visual token of a run of frame groups, after the model's own merger.

    A *frame group* is what the model takes as one step in time: two frames for the Qwen
    families, one for SmolVLM.

    Attributes:
        tokens: ``(T, H, W, D)``, in the decoder's width ``D``.
        deepstack: features of the same shape for each early decoder layer that gets some;
            empty for families without deepstack.
        times: stream time in seconds of each of the ``T`` groups (mean of its frames).
    """

    tokens: Tensor
    times: tuple[float, ...]
    deepstack: tuple[Tensor, ...] = ()

    def __post_init__(self) -> None:
        if self.tokens.ndim != 4 or len(self.times) != len(self.tokens):
            raise ValueError(
                f"visual features are (T, H, W, D) with T times: got "
                f"{tuple(self.tokens.shape)} and {len(self.times)} times"
            )

    @property
    def nbytes(self) -> int:
        return self.tokens.nbytes + sum(layer.nbytes for layer in self.deepstack)

    @classmethod
    def join(cls, runs: list[VisualFeatures]) -> VisualFeatures:
        """Runs of the same grid, one after the other.

        Raises:
            ValueError: there are none, or their grids differ.
        """
        if not runs or len({run.tokens.shape[1:] for run in runs}) != 1:
            raise ValueError("only visual features of one and the same grid can be joined")
        return cls(
            tokens=torch.cat([run.tokens for run in runs]),
            times=tuple(t for run in runs for t in run.times),
            deepstack=tuple(
                torch.cat(layers) for layers in zip(*(r.deepstack for r in runs), strict=True)
            ),
        )


@dataclass(frozen=True, slots=True, eq=False)
class VisualTokens:
    """The visual tokens kept of a segment, on their way into the decoder.

    Attributes:
        tokens: ``(n, D)``.
        deepstack: ``(n, D)`` for each early decoder layer that gets some.
        grid: int64 ``(n, 3)``, the (t, h, w) cell each token stands for, in rising order.
            Tokens that were dropped leave a hole; tokens that were pooled are counted on the
            coarser grid, as if the picture had been smaller, or keep a cell of the finer one:
            the compressor says which by ``size``.
        size: (T, H, W) of the grid that the cells are counted in.
        times: stream time in seconds of each of the ``T`` steps.
    """

    tokens: Tensor
    grid: Tensor
    size: tuple[int, int, int]
    times: tuple[float, ...]
    deepstack: tuple[Tensor, ...] = ()

    def __post_init__(self) -> None:
        if self.grid.shape != (len(self.tokens), 3) or len(self.times) != self.size[0]:
            raise ValueError(
                f"visual tokens (n, D) need a grid (n, 3) and T times: got "
                f"{tuple(self.tokens.shape)}, {tuple(self.grid.shape)}, {len(self.times)} times "
                f"for {self.size}"
            )

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def nbytes(self) -> int:
        return self.tokens.nbytes + sum(layer.nbytes for layer in self.deepstack)

    @classmethod
    def all_of(cls, features: VisualFeatures) -> Self:
        """Everything kept."""
        steps, height, width, depth = features.tokens.shape
        cells = torch.cartesian_prod(torch.arange(steps), torch.arange(height), torch.arange(width))
        return cls(
            tokens=features.tokens.reshape(-1, depth),
            grid=cells.reshape(-1, 3),
            size=(steps, height, width),
            times=features.times,
            deepstack=tuple(layer.reshape(-1, depth) for layer in features.deepstack),
        )

    def keep(self, kept: Tensor) -> Self:
        """Only the tokens of a bool mask ``(n,)``, with their cells."""
        kept = kept.to(self.tokens.device)
        return type(self)(
            tokens=self.tokens[kept],
            grid=self.grid[kept.cpu()],
            size=self.size,
            times=self.times,
            deepstack=tuple(layer[kept] for layer in self.deepstack),
        )


class Compressor(Protocol):
    """From all visual tokens of a closed segment to the few that stay in the context."""

    def fast(
        self, features: VisualFeatures, seconds: float, weights: Tensor | None = None
    ) -> VisualTokens:
        """The tokens always in context.

        Args:
            seconds: the segment's length, for a budget in tokens a minute.
            weights: ``(T, H, W)``, above 0: how much each token counts in means.
        """
        ...

    def slow(self, features: VisualFeatures, seconds: float) -> VisualTokens:
        """The tokens kept aside for questions that need them."""
        ...
