"""How commands speak: what was asked for on the output, the rest on the error stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from app.goodbye import exit_code
from app.web.addresses import AddressError
from memory.store import StoreError
from models.reasoning.reasoner import ReasonerError
from pipeline.answer import AskError
from pipeline.engine import EngineError
from pipeline.sources import SourceError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Told(typer.Exit):
    """Something a person must hear: told on the error stream, exit code 2."""

    def __init__(self, message: str) -> None:
        tell(message)
        super().__init__(2)


def tell(message: str, style: str = "red") -> None:
    err.print(message, style=style, markup=False)


@contextmanager
def told() -> Iterator[None]:
    """Turns the errors that are for people into a message and exit code 2; says goodbye where
    the command is told to stop."""
    try:
        yield
    except (AddressError, AskError, EngineError, ReasonerError, SourceError, StoreError) as error:
        raise Told(str(error)) from error
    except KeyboardInterrupt as stopped:
        tell("stopped", style="yellow")
        raise typer.Exit(exit_code(stopped)) from stopped
