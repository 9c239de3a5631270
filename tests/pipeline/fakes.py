"""An engine without models, for tests of what moves media and questions about."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from models.media import AudioChunk, Frame, Media
from models.reasoning.reasoner import Counts, Evidence, Passage, Reply
from models.speech.recogniser import Transcript
from models.speech.voice import Speech
from models.vision.objects import Label, Looked
from models.vision.text_reader import ReadText, TextReader
from pipeline.engine import Engine
from pipeline.perception import Senses
from pipeline.sources.source import Properties


class Ears:
    """Hears that something was said, and when."""

    def transcribe(self, speech: Speech) -> Transcript | None:
        return Transcript(speech.start, speech.end, f"words of {speech.start:.1f}", (), 0.9)


class Glasses:
    """Finds no text in any picture."""

    def find(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        return []

    def recognise(self, lines: Sequence[NDArray[np.uint8]]) -> list[tuple[str, float]]:
        return []

    def read(self, image: NDArray[np.uint8]) -> list[ReadText]:
        return []


class Eyes:
    """Sees how bright the picture is."""

    def look(self, image: NDArray[np.uint8]) -> Looked:
        label = "bright" if image.mean() > 127 else "dark"
        return Looked((Label(label, 0.9, None),), np.zeros((2, 2, 4), np.float16))


class Echo:
    """Answers by naming what was put before it; keeps all that it watched.

    ``hold``, where given, is waited for before each piece of an answer.
    """

    takes_pictures = False

    def __init__(self, hold: threading.Event | None = None) -> None:
        self.watched: list[Passage] = []
        self.asked: list[Evidence] = []
        self.answering = threading.Event()
        self._hold = hold

    @property
    def name(self) -> str:
        return "echo"

    @property
    def context_tokens(self) -> tuple[int, int]:
        return 10 * len(self.watched), 1000

    def see(self, image, time) -> None:
        pass

    def idle(self) -> bool:
        return False

    def watch(self, passage: Passage) -> None:
        self.watched.append(passage)

    def answer(
        self, question: str, evidence: Evidence, cancelled: Callable[[], bool] = lambda: False
    ) -> Reply:
        self.asked.append(evidence)
        counts = Counts(text=len(question.split()))

        def pieces() -> Iterator[str]:
            for passage in evidence.passages:
                self.answering.set()
                if self._hold is not None and not self._hold.wait(20):
                    raise TimeoutError("the test never let the answer go on")
                if cancelled():
                    return
                counts.generated += 1
                yield f"{passage.start:.1f} "

        return Reply(pieces(), counts)

    def choose(
        self, question: str, options: Sequence[str], evidence: Evidence
    ) -> tuple[list[float], Counts]:
        self.asked.append(evidence)
        return [1.0, *[0.0] * (len(options) - 1)], Counts()

    def note(self, passage: Passage) -> str:
        return f"note of {passage.start:.1f}"


def hashed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors that are the same for the same text."""
    vectors = [np.random.default_rng(abs(hash(text)) % 2**32).standard_normal(16) for text in texts]
    return np.array([v / np.linalg.norm(v) for v in vectors], np.float32)


def engine(*reasoners: Echo) -> Engine:
    """An engine that hands out ``reasoners`` in turn, or fresh ones."""
    given = list(reasoners)
    return Engine(
        "fake",
        Senses(Ears(), cast(TextReader, Glasses()), Eyes(), None, 0.5),
        hashed,
        lambda scratch: given.pop(0) if given else Echo(),
        {"engine": "fake"},
    )


class Scripted:
    """A source that gives ``media`` and then what ``failing`` says."""

    def __init__(
        self, media: Sequence[Media], live: bool = False, failing: Exception | None = None
    ) -> None:
        self._media = media
        self._failing = failing
        self._live = live
        self._closed = False

    @property
    def properties(self) -> Properties:
        frames = [m for m in self._media if isinstance(m, Frame)]
        sounds = [m for m in self._media if isinstance(m, AudioChunk)]
        return Properties("scripted", None, self._live, 8, 8, 4, bool(frames), bool(sounds))

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True

    def close(self) -> None:
        self._closed = True

    def __iter__(self) -> Iterator[Media]:
        for media in self._media:
            if self._closed:
                return
            yield media
        if self._failing is not None:
            raise self._failing


def frames(seconds: float, rate: float = 4.0, start: float = 0.0) -> list[Media]:
    """Pictures that grow brighter as time goes on."""
    return [
        Frame(start + i / rate, np.full((36, 64, 3), min(255, int(4 * i)), np.uint8))
        for i in range(round(seconds * rate))
    ]


def silence(seconds: float, start: float = 0.0, length: float = 0.2) -> list[Media]:
    return [
        AudioChunk(start + i * length, np.zeros(round(length * 16_000), np.float32))
        for i in range(round(seconds / length))
    ]
