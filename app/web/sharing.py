"""One set of models for many streams: each model serves one call at a time, first come first.

The models guard themselves by plain locks, which a busy stream can take again and again before
another gets its turn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar, cast

from pipeline.engine import Engine
from pipeline.turns import Turns

Model = TypeVar("Model")


class _InTurn:
    """A model whose methods are called in turn."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._turns = Turns()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._model, name)
        if not callable(found):
            return found

        def in_turn(*given: Any, **named: Any) -> Any:
            with self._turns:
                return found(*given, **named)

        return in_turn


def in_turn(model: Model) -> Model:
    """``model`` with its methods called one at a time, in the order of asking."""
    return cast("Model", _InTurn(model))


def shared(engine: Engine) -> Engine:
    """``engine`` with perception that several streams may use at once, each in its turn."""
    senses = engine.senses
    return replace(
        engine,
        senses=replace(
            senses,
            hearing=in_turn(senses.hearing),
            reading=in_turn(senses.reading),
            seeing=in_turn(senses.seeing),
        ),
    )
