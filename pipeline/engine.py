"""An engine: a complete set of models that can watch and answer, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from memory.recall import Embed
from models.reasoning.reasoner import Reasoner
from pipeline.perception import Senses

ENGINES = ("embedded",)


class EngineError(Exception):
    """An engine cannot be loaded; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Models loaded once, for any number of streams.

    Attributes:
        name: as on the command line.
        senses: the perception models.
        embed: texts to unit vectors, ``float32 (n, D)``.
        new_reasoner: a reasoner with an empty running context, sharing the weights.
        facts: for reports: model, revision, dtype, budgets.
    """

    name: str
    senses: Senses
    embed: Embed
    new_reasoner: Callable[[], Reasoner]
    facts: Mapping[str, object]


def load_engine(name: str, home: Path) -> Engine:
    """Load the engine ``name``; what it prepares once is kept under ``home``.

    Raises:
        EngineError: there is no engine of that name, or a part of it is missing.
    """
    if name != "embedded":
        raise EngineError(f"there is no engine {name!r}; there are: {', '.join(ENGINES)}")
    # Loaded here and not above: the command line must answer --help without torch.
    from models.reasoning.embedded import EmbeddedModel
    from models.reasoning.reasoner import ReasonerError
    from models.speech.recogniser import SpeechError, SpeechRecogniser
    from models.text.embedding import SentenceEmbedder
    from models.vision.faces import FaceFinder
    from models.vision.objects import CERTAIN, ObjectClassifier
    from models.vision.text_reader import TextReader

    try:
        model = EmbeddedModel.load(home)
        senses = Senses(SpeechRecogniser(), TextReader(), ObjectClassifier(), FaceFinder(), CERTAIN)
        embed = SentenceEmbedder()
    except (ReasonerError, SpeechError, ImportError, OSError) as error:
        raise EngineError(
            f"the embedded engine cannot be loaded: {error}. Run 'python launch.py' again: it "
            "repairs its environment"
        ) from error
    facts = {"engine": "embedded", "model": model.name}
    return Engine(name, senses, embed, lambda: model.reasoner(embed), facts)
