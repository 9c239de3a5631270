"""Command-line options that say which engine runs, shared by all commands that load one."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import typer

from pipeline.engine import Choice


class Bits(StrEnum):
    eight = "8bit"
    four = "4bit"


class Backend(StrEnum):
    flash = "flash"
    sdpa = "sdpa"
    eager = "eager"


ModelName = Annotated[
    str | None, typer.Option("--model", help="Hub id or folder, of the transformers engine.")
]
Dtype = Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16 or float16.")]
DeviceMap = Annotated[str, typer.Option("--device-map", help="auto, cpu, cuda:1 and the like.")]
Quantise = Annotated[Bits | None, typer.Option("--quantise", help="Weights in 8 or 4 bits.")]
Attention = Annotated[
    Backend | None, typer.Option("--attention", help="Force an attention backend.")
]


def chosen(
    engine: str,
    model: str | None,
    dtype: str,
    device_map: str,
    quantise: Bits | None,
    attention: Backend | None,
) -> Choice:
    """The engine that the options name."""
    bits: Literal["8bit", "4bit"] | None = None if quantise is None else quantise.value
    return Choice(engine, model, dtype, device_map, bits, attention)
