"""An engine without models: it hears what the sample clip is known to say, and answers slowly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from models.reasoning.reasoner import Counts, Evidence, Passage, Reply
from models.speech.recogniser import Transcript
from models.speech.voice import Speech
from models.vision.objects import Label, Looked
from pipeline.engine import Engine
from pipeline.perception import Senses

SCENES = json.loads(
    (Path(__file__).resolve().parents[3] / "assets" / "sample.json").read_text(encoding="utf-8")
)["scenes"]


class FakeHearing:
    """Knows by its time what is said in the sample clip."""

    def transcribe(self, speech: Speech) -> Transcript | None:
        for scene in SCENES:
            if scene["start"] <= speech.start < scene["end"]:
                return Transcript(speech.start, speech.end, scene["says"], (), 0.9)
        return None


class FakeReading:
    """Reads one line in every picture."""

    def find(self, image):
        height, width = image.shape[:2]
        left, top, right, bottom = 0.1 * width, 0.8 * height, 0.5 * width, 0.9 * height
        return [np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)]

    def recognise(self, lines):
        return [("A LINE", 0.97) for _ in lines]

    def read(self, image):
        return []


class FakeSeeing:
    def look(self, image):
        return Looked((Label("cat", 0.9),), np.zeros((7, 7, 320), np.float16))


def fake_embed(texts: Sequence[str]) -> np.ndarray:
    """A vector per text by its words: texts that share words are alike."""
    vectors = np.full((len(texts), 64), 1e-3, np.float32)
    for row, text in enumerate(texts):
        for word in text.lower().split():
            vectors[row, sum(map(ord, word)) % 64] += 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class FakeReasoner:
    """Says what it was asked and what it was shown; ``step`` is called before each word."""

    name = "fake"

    def __init__(self, step: Callable[[], None]) -> None:
        self._step = step
        self._watched = 0

    @property
    def context_tokens(self) -> tuple[int, int]:
        return self._watched, 1000

    @property
    def takes_pictures(self) -> bool:
        return False

    def see(self, image, time) -> None:
        pass

    def idle(self) -> bool:
        return False

    def watch(self, passage: Passage) -> None:
        self._watched += 10

    def answer(
        self, question: str, evidence: Evidence, cancelled: Callable[[], bool] = lambda: False
    ) -> Reply:
        lines = [line for passage in evidence.passages for line in passage.lines]
        reply = Reply(iter(()), Counts(fast=self._watched, slow=20, text=8))
        said = f"You asked {question!r} at {evidence.time:.1f} s; {lines[-1].text}"

        def pieces() -> Iterator[str]:
            for word in said.split(" "):
                if cancelled():
                    return
                self._step()
                reply.counts.generated += 1
                yield word + " "

        reply.pieces = pieces()
        reply.support = tuple(line for line in lines if line.kind == "heard")[-1:]
        return reply

    def choose(self, question, options, evidence):
        share = 0.5 / max(1, len(options) - 1)
        return [0.5, *[share] * (len(options) - 1)], Counts(text=8)

    def note(self, passage: Passage) -> str:
        return f"A note of {passage.start:.0f} s."


class Gate:
    """Lets answers say so many words; :meth:`open` lets them say the rest."""

    def __init__(self) -> None:
        self._words = threading.Semaphore(0)
        self._open = threading.Event()
        self._open.set()

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()
        self._words.release()

    def let(self, words: int) -> None:
        self._words.release(words)

    def step(self) -> None:
        if not self._open.is_set():
            self._words.acquire(timeout=90)


def fake_engine(step: Callable[[], None] = lambda: None) -> Engine:
    senses = Senses(FakeHearing(), FakeReading(), FakeSeeing(), None, 0.5)
    return Engine(
        "fake", senses, fake_embed, lambda scratch: FakeReasoner(step), {"engine": "fake"}
    )
