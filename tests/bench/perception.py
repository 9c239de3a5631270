"""How good and how fast perception is: ``python -m tests.bench.perception [CLIP ...]``.

Prints, for the sample clip and the real clips beside the project (or for the clips given): the
time each part takes, word errors of speech against what was said, what text was read, and
every label from :data:`models.vision.objects.CERTAIN` up, to be judged by eye.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from models.media import AudioChunk, Frame
from models.speech.recogniser import SpeechRecogniser
from models.speech.voice import VoiceActivity
from models.text.embedding import SentenceEmbedder
from models.vision.faces import FaceFinder
from models.vision.facts import FactFinder
from models.vision.objects import CERTAIN, ObjectClassifier
from models.vision.text_reader import TextReader, TextTracker
from pipeline.sources import open_source

ROOT = Path(__file__).resolve().parent.parent.parent
CLIPS = ROOT.parent / "shared" / "clips"
RATE = 2.0  # pictures a second

SAID = {
    "nasa_13013.mp4": "This is the optical and science segment of the Webb Space Telescope in one "
    "of the largest clean rooms in the world at NASA's Goddard Space Flight Center in Greenbelt, "
    "Maryland.",
    "jfk.flac": "And so my fellow Americans, ask not what your country can do for you, ask what "
    "you can do for your country.",
    "sample.mp4": " ".join(
        scene["says"]
        for scene in json.loads((ROOT / "assets" / "sample.json").read_text())["scenes"]
    ),
    "bigbuckbunny.mp4": "",
}

T = TypeVar("T")
SPOKEN = {"1": "one", "5": "five", "1995": "nineteen ninety five", "3": "three dollars"}


def words(text: str) -> list[str]:
    found = re.findall(r"[\w']+", text.lower())
    return " ".join(SPOKEN.get(word, word) for word in found).split()


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words to insert, remove or replace (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        above, row = row, [i]
        for j, other in enumerate(heard, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (word != other)))
    return row[-1]


class Clock:
    """Adds up what named parts take."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self.calls: dict[str, int] = {}

    def run(self, name: str, work: Callable[..., T], *given: Any) -> T:
        start = time.perf_counter()
        done = work(*given)
        self.spent[name] = self.spent.get(name, 0.0) + time.perf_counter() - start
        self.calls[name] = self.calls.get(name, 0) + 1
        return done


def main(paths: Sequence[Path]) -> None:
    loading = Clock()
    recogniser = loading.run("speech", SpeechRecogniser)
    reader = loading.run("text reader", TextReader)
    classifier = loading.run("objects", ObjectClassifier)
    faces = loading.run("faces", FaceFinder)
    embed = loading.run("embedder", SentenceEmbedder)
    print("load:", ", ".join(f"{name} {s:.2f} s" for name, s in loading.spent.items()))
    for path in paths:
        watch(path, recogniser, reader, classifier, faces)
    lines = [f"{second} s: the narrator names place number {second}" for second in range(64)]
    start = time.perf_counter()
    embed(lines)
    print(f"\nembedding: {1000 * (time.perf_counter() - start) / len(lines):.1f} ms a line")


def watch(
    path: Path,
    recogniser: SpeechRecogniser,
    reader: TextReader,
    classifier: ObjectClassifier,
    faces: FaceFinder,
) -> None:
    clock = Clock()
    voice, tracker, facts = VoiceActivity(), TextTracker(reader), FactFinder()
    with open_source(str(path), rate=RATE) as source:
        media = list(source)
    chunks = [m for m in media if isinstance(m, AudioChunk)]
    speech = [s for chunk in chunks for s in clock.run("voice", voice.feed, chunk)]
    speech += voice.finish()
    heard = [clock.run("speech", recogniser.transcribe, s) for s in speech]
    text = " ".join(t.text for t in heard if t)
    seconds = chunks[-1].end if chunks else 0.0
    print(f"\n{path.name}: {text or '(no speech)'}")
    if seconds:
        real = (clock.spent["voice"] + clock.spent.get("speech", 0.0)) / seconds
        print(f"  sound: {real:.3f} of real time, {len(speech)} stretches of speech")
    if path.name in SAID:
        said = words(SAID[path.name])
        print(f"  word errors: {word_errors(said, words(text))} of {len(said)}")
    frames = [m for m in media if isinstance(m, Frame)]
    for frame in frames:
        found = clock.run("text", tracker.update, frame.image)
        looked = clock.run("objects", classifier.look, frame.image)
        fact = clock.run("facts and faces", facts.look, frame.image)
        clock.run("facts and faces", faces.find, frame.image)
        sure = [f"{x.label} {x.confidence:.2f}" for x in looked.labels if x.confidence >= CERTAIN]
        moving = [f"{m.colour} thing moves {m.direction}" for m in fact.moving]
        told = [f"read {[t.text for t in found]}"] if found is not None else []
        if sure or moving or told:
            print(f"  {frame.time:6.2f} {', '.join(told + sure + moving)}")
    if frames:
        for name in ("text", "objects", "facts and faces"):
            print(f"  {name}: {1000 * clock.spent[name] / len(frames):.0f} ms a picture")
        print(
            f"  text: {len(frames)} pictures, {tracker.detections} detections, "
            f"{tracker.recognitions} lines recognised"
        )


if __name__ == "__main__":
    given = [Path(name) for name in sys.argv[1:]]
    usual = [ROOT / "assets" / "sample.mp4", *(CLIPS / name for name in SAID)]
    main(given or [path for path in usual if path.is_file()])
