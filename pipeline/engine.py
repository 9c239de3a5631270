"""An engine: a complete set of models that can watch and answer, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from memory.recall import Embed
from models.reasoning.reasoner import Reasoner
from pipeline.perception import Senses
from pipeline.spill import SpillFolder

if TYPE_CHECKING:
    from models.reasoning.embedded import EmbeddedModel

ENGINES = ("embedded", "transformers", "remote")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which engine, and which model it runs.

    Attributes:
        name: one of :data:`ENGINES`.
        model: a hub id or a folder for ``transformers``, which needs it; for ``remote`` the
            name of a model on the server, where it has several.
        dtype, device_map, quantise, attention: see
            :func:`models.reasoning.multimodal.engine.load_multimodal`.
        base_url, api_key_env, timeout, concurrency, notes: see
            :class:`models.reasoning.remote.endpoint.Endpoint`; for ``remote`` alone, which needs
            the first.
        fallback: ``"embedded"`` answers where the server does not; None for none.
        gaze_cues: names of :class:`models.gaze.cues.Cues`; None for the engine's own choice.
        plain: the embedded language model as it comes, without what was trained.
    """

    name: str = "embedded"
    model: str | None = None
    dtype: str = "auto"
    device_map: str = "auto"
    quantise: Literal["8bit", "4bit"] | None = None
    attention: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    timeout: float = 60.0
    concurrency: int = 8
    fallback: Literal["embedded"] | None = None
    notes: bool = True
    gaze_cues: str | None = None
    plain: bool = False


class EngineError(Exception):
    """An engine cannot be loaded; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Models loaded once, for any number of streams.

    Attributes:
        name: as on the command line.
        senses: the perception models.
        embed: texts to unit vectors, ``float32 (n, D)``.
        new_reasoner: a reasoner with an empty running context, sharing the weights. Its
            argument is a folder for what memory has no room for, made where it is needed and
            removed with the reasoner; None for nowhere.
        facts: for reports: model, revision, dtype, budgets.
    """

    name: str
    senses: Senses
    embed: Embed
    new_reasoner: Callable[[Path | None], Reasoner]
    facts: Mapping[str, object]


def load_engine(choice: Choice, home: Path) -> Engine:
    """Load an engine; what it prepares once is kept under ``home``.

    Raises:
        EngineError: there is no engine of that name, or a part of it is missing.
    """
    if choice.name not in ENGINES:
        raise EngineError(f"there is no engine {choice.name!r}; there are: {', '.join(ENGINES)}")
    if choice.name != "transformers" and choice.gaze_cues not in (None, "text"):
        raise EngineError(
            f"the {choice.name} engine is given the gaze in words alone: --gaze-cues text, or "
            "leave it out"
        )
    if choice.name == "embedded" and choice.model is not None:
        raise EngineError("the embedded engine brings its own model: leave --model out")
    if choice.plain and "embedded" not in (choice.name, choice.fallback):
        raise EngineError(
            f"--plain is for the embedded engine: the {choice.name} one has no use for it"
        )
    if choice.name != "remote" and choice.base_url is not None:
        raise EngineError("--base-url names a model server: give --engine remote with it")
    # Loaded here and not above: transformers takes seconds, and a mistake must show before.
    from models.text.embedding import EmbeddingError, SentenceEmbedder

    try:
        embed = SentenceEmbedder()
        new_reasoner, facts = _mind(choice, home, embed)
        return Engine(choice.name, _senses(), embed, new_reasoner, facts)
    except (EmbeddingError, ImportError, OSError) as error:
        raise _incomplete(choice.name, error) from error


def _senses() -> Senses:
    from models.speech.recogniser import SpeechError, SpeechRecogniser
    from models.vision.faces import FaceFinder
    from models.vision.objects import CERTAIN, ObjectClassifier, VisionError
    from models.vision.text_reader import TextReader, TextReaderError

    try:
        seeing, faces = ObjectClassifier(), FaceFinder()
        return Senses(SpeechRecogniser(), TextReader(), seeing, faces, CERTAIN)
    except (SpeechError, TextReaderError, VisionError) as error:
        raise _incomplete("perception", error) from error


def _mind(
    choice: Choice, home: Path, embed: Embed
) -> tuple[Callable[[Path | None], Reasoner], dict[str, object]]:
    """What makes the reasoners of an engine, and the facts about it."""
    from models.reasoning.reasoner import ReasonerError

    try:
        if choice.name == "embedded":
            model = _embedded(choice, home)
            return lambda scratch: model.reasoner(embed), {
                "engine": "embedded",
                "model": model.name,
            }
        if choice.name == "remote":
            return _remote(choice, home, embed)
        from models.reasoning.multimodal.engine import load_multimodal

        if choice.model is None:
            raise EngineError(
                "the transformers engine needs --model: a hub id such as "
                "Qwen/Qwen3-VL-4B-Instruct, or a folder"
            )
        loaded = load_multimodal(
            choice.model,
            dtype=choice.dtype,
            device_map=choice.device_map,
            quantise=choice.quantise,
            attention=choice.attention,
            gaze=choice.gaze_cues,
        )
    except ReasonerError as error:
        raise EngineError(str(error)) from error

    def new_reasoner(scratch: Path | None) -> Reasoner:
        return loaded.reasoner(None if scratch is None else SpillFolder(scratch))

    return new_reasoner, {
        "engine": "transformers",
        "model": choice.model,
        "dtype": choice.dtype,
        "gaze_cues": str(loaded.gaze),
    }


def _embedded(choice: Choice, home: Path) -> EmbeddedModel:
    from models.reasoning.embedded import TRAINED, EmbeddedModel

    return EmbeddedModel.load(home, None if choice.plain else TRAINED)


def _remote(
    choice: Choice, home: Path, embed: Embed
) -> tuple[Callable[[Path | None], Reasoner], dict[str, object]]:
    from models.reasoning.remote.endpoint import Endpoint
    from models.reasoning.remote.fallback import WithFallback
    from models.reasoning.remote.reasoner import RemoteReasoner
    from models.reasoning.remote.server import Server

    if choice.base_url is None:
        raise EngineError(
            "the remote engine needs --base-url: a model server's address, such as "
            "http://localhost:8000/v1"
        )
    server = Server(
        Endpoint(
            choice.base_url,
            choice.model,
            choice.api_key_env,
            choice.timeout,
            choice.concurrency,
            notes=choice.notes,
        )
    )
    server.check()
    facts: dict[str, object] = {
        "engine": "remote",
        "model": server.name,
        "server": server.endpoint.host,
        "fallback": choice.fallback,
    }
    if choice.fallback is None:
        return lambda scratch: RemoteReasoner(server), facts
    own = _embedded(choice, home)
    return lambda scratch: WithFallback(RemoteReasoner(server), own.reasoner(embed)), facts


def _incomplete(what: str, error: Exception) -> EngineError:
    return EngineError(
        f"the {what} models cannot be loaded: {error}. Run 'python launch.py' again: it repairs "
        "its environment"
    )
