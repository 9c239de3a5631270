"""Command-line options that say which engine runs, shared by all commands that load one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Literal

import typer

from app.logs import log_as
from pipeline.engine import Choice

EMBEDDED = Choice()
"""What runs where nothing else is named."""


class Bits(StrEnum):
    eight = "8bit"
    four = "4bit"


class Backend(StrEnum):
    flash = "flash"
    sdpa = "sdpa"
    eager = "eager"


class Fallback(StrEnum):
    embedded = "embedded"


EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        help="embedded; transformers with --model; remote with --base-url; scores take random.",
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="Hub id or folder for the transformers engine; a name on the server for remote.",
    ),
]
Dtype = Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16 or float16.")]
DeviceMap = Annotated[str, typer.Option("--device-map", help="auto, cpu, cuda:1 and the like.")]
Quantise = Annotated[Bits | None, typer.Option("--quantise", help="Weights in 8 or 4 bits.")]
Attention = Annotated[
    Backend | None, typer.Option("--attention", help="Force an attention backend.")
]
BaseUrl = Annotated[
    str | None,
    typer.Option("--base-url", help="Remote: the model server, as http://localhost:8000/v1."),
]
ApiKeyEnv = Annotated[
    str | None,
    typer.Option("--api-key-env", help="Remote: the environment variable with the API key."),
]
Timeout = Annotated[
    float, typer.Option("--timeout", help="Remote: seconds until an answer must have begun.")
]
Concurrency = Annotated[
    int, typer.Option("--concurrency", min=1, help="Remote: requests under way at once.")
]
FallbackTo = Annotated[
    Fallback | None, typer.Option("--fallback", help="Remote: answers where the server does not.")
]
Notes = Annotated[
    bool, typer.Option("--notes/--no-notes", help="Remote: have a note on each segment written.")
]
GazeCues = Annotated[
    str | None,
    typer.Option(
        "--gaze-cues",
        help="How a model is given the gaze: text, drawn, saliency, foveated, choice, joined by "
        "commas, or none; embedded and remote take text.",
    ),
]


Plain = Annotated[
    bool,
    typer.Option(
        "--plain/--trained",
        help="Embedded: the language model as it comes, without what was trained on timelines.",
    ),
]


def chosen(
    engine: EngineName = "embedded",
    model: ModelName = None,
    dtype: Dtype = "auto",
    device_map: DeviceMap = "auto",
    quantise: Quantise = None,
    attention: Attention = None,
    base_url: BaseUrl = None,
    api_key_env: ApiKeyEnv = None,
    timeout: Timeout = 60.0,
    concurrency: Concurrency = 8,
    fallback: FallbackTo = None,
    notes: Notes = True,
    gaze_cues: GazeCues = None,
    plain: Plain = False,
) -> Choice:
    """The engine that the options name."""
    bits: Literal["8bit", "4bit"] | None = None if quantise is None else quantise.value
    instead: Literal["embedded"] | None = None if fallback is None else "embedded"
    return Choice(
        engine,
        model,
        dtype,
        device_map,
        bits,
        attention,
        base_url,
        api_key_env,
        timeout,
        concurrency,
        instead,
        notes,
        gaze_cues,
        plain,
    )


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes the options of :func:`chosen` in place of its last parameter,
    ``choice``, which is the engine that they name; and those of the log."""
    own = inspect.signature(command, eval_str=True).parameters
    engine = inspect.signature(chosen, eval_str=True).parameters
    logged = inspect.signature(log_as, eval_str=True).parameters

    @functools.wraps(command)
    def run(**given: Any) -> None:
        log_as(**{name: given.pop(name) for name in logged})
        choice = chosen(**{name: given.pop(name) for name in engine})
        command(**given, choice=choice)

    kept = [each for each in own.values() if each.name != "choice"]
    taken = [*kept, *engine.values(), *logged.values()]
    run.__signature__ = inspect.Signature(taken)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in taken}
    return run
