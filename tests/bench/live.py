"""Latency of the demo, live: from a word's end to its line, from a question to its first token,
and what is dropped while an answer is made.

    python -m tests.bench.live [SESSIONS ...]

Sends the sample clip as a browser's camera and microphone would, at its own pace, to so many
sessions at once (by default 1, then 3) on the embedded engine, and asks at ten moments, one
session after the other.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.home import SAMPLE, home
from app.web.room import PICTURES_A_SECOND, Room, Wanted
from app.web.rooms import Rooms
from app.web.sharing import shared
from memory.segment import Utterance
from models.media import SAMPLE_RATE, Frame
from pipeline.answer import AskError
from pipeline.engine import Choice, Engine, load_engine
from pipeline.quality import Quality
from pipeline.sources import open_source

QUESTIONS = {
    5.0: "How many photographs are there?",
    11.0: "What can be seen now?",
    17.0: "What is the cat called?",
    22.0: "What was said about the cat?",
    28.0: "What is written on the screen?",
    34.0: "What does the coffee cost?",
    39.0: "Who is the astronaut?",
    44.0: "What did she do in 1995?",
    50.0: "What colour is the ball?",
    55.0: "Where does the rocket lift off?",
}
"""Some in the middle of a sentence, some in silence."""

QUIET = 3.0
"""Seconds after the clip in which what was said last may still arrive."""

Piece = tuple[float, bytes | NDArray[np.int16]]


@dataclass
class Figures:
    """Of all sessions together: times in seconds; pieces given and dropped, and pictures
    looked at, in the ``answering`` seconds in which an answer was made and in all."""

    lines: list[float] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)
    behind: list[float] = field(default_factory=list)
    refused: int = 0
    answering: float = 0.0
    given: int = 0
    dropped: int = 0
    sampled: int = 0
    all_given: int = 0
    all_dropped: int = 0
    all_sampled: int = 0
    lowest: Quality = Quality.FULL


def captured() -> list[Piece]:
    """The sample as a page would capture it: each piece is due at its time."""
    pieces: list[Piece] = []
    with open_source(str(SAMPLE), rate=PICTURES_A_SECOND) as source:
        for media in source:
            if isinstance(media, Frame):
                image = cv2.cvtColor(media.image, cv2.COLOR_RGB2BGR)
                data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1]
                pieces.append((media.time, bytes(data)))
            else:
                sound = (media.samples * 32767).astype(np.int16)
                pieces.append((media.time, sound))
    return sorted(pieces, key=lambda piece: due(*piece))


def due(at: float, data: bytes | NDArray[np.int16]) -> float:
    """When a piece has been captured whole."""
    return at if isinstance(data, bytes) else at + len(data) / SAMPLE_RATE


def send(room: Room, pieces: Sequence[Piece], sent: list[int]) -> None:
    """Play the camera and the microphone."""
    camera = room.camera
    assert camera is not None
    began = camera.now
    for number, (at, data) in enumerate(pieces):
        time.sleep(max(0.0, began + due(at, data) - camera.now))
        if isinstance(data, bytes):
            room.take_live(number, lambda c, at=at, d=data: c.take_picture(began + at, d))
        else:
            room.take_live(
                number, lambda c, at=at, d=data: c.take_sound(began + at, d, SAMPLE_RATE)
            )
        sent[0] += 1


def counts(room: Room, sent: list[int]) -> tuple[int, int, int]:
    """Pieces given, dropped, and pictures looked at, so far."""
    assert room.camera is not None
    status = room.session.status
    return sent[0], status.dropped + room.camera.dropped, status.sampled


def follow(
    room: Room,
    pieces: Sequence[Piece],
    questions: dict[float, str],
    told: Figures,
    lock: threading.Lock,
) -> None:
    """Follow one room as the page does, and ask it ``questions``, each at its second."""
    room.look()
    assert room.camera is not None
    sent = [0]
    sender = threading.Thread(target=send, args=(room, pieces, sent))
    sender.start()
    seen, waiting, asking = 0, dict(questions), []
    end = max(due(*piece) for piece in pieces) + QUIET
    while room.camera.now < end:
        for event in room.session.events(seen, timeout=0.05):
            seen = event.number
            if isinstance(event.what, Utterance):
                with lock:
                    told.lines.append(room.camera.now - event.what.end)
        status = room.session.status
        with lock:
            if sender.is_alive() and status.time > 0:  # something has been watched
                told.behind.append(room.camera.reached - status.time)
            told.lowest = max(told.lowest, status.quality)
        for at in [at for at in waiting if at <= room.camera.now]:
            thread = threading.Thread(target=ask, args=(room, waiting.pop(at), sent, told, lock))
            thread.start()
            asking.append(thread)
    for thread in (sender, *asking):
        thread.join(60)
    given, dropped, sampled = counts(room, sent)
    with lock:
        told.all_given += given
        told.all_dropped += dropped
        told.all_sampled += sampled


def ask(room: Room, question: str, sent: list[int], told: Figures, lock: threading.Lock) -> None:
    before = counts(room, sent)
    began = time.perf_counter()
    try:
        pieces = room.say(room.ask(question))
    except AskError:  # so far behind that nothing has been watched yet
        with lock:
            told.refused += 1
        return
    next(pieces, None)
    first = time.perf_counter() - began
    for _ in pieces:
        pass
    taken = time.perf_counter() - began
    after = counts(room, sent)
    with lock:
        told.tokens.append(first)
        told.answering += taken
        told.given += after[0] - before[0]
        told.dropped += after[1] - before[1]
        told.sampled += after[2] - before[2]


def measure(engine: Engine, pieces: Sequence[Piece], count: int) -> None:
    told, lock = Figures(), threading.Lock()
    asked = list(QUESTIONS.items())
    with (
        tempfile.TemporaryDirectory() as folder,
        Rooms(shared(engine), Path(folder), most=count) as rooms,
    ):
        threads = [
            threading.Thread(target=follow, args=(room, pieces, questions, told, lock))
            for room, questions in [
                (rooms.open(Wanted("camera", "", "sample")), dict(asked[number::count]))
                for number in range(count)
            ]
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(f"{count} session{'s' if count > 1 else ''}")
    for name, values in (
        ("a word's end to its line", told.lines),
        ("question to first token", told.tokens),
        ("watching behind the camera", told.behind),
    ):
        if values:
            middle, worst = statistics.median(values), max(values)
            print(f"  {name:<27} median {middle:5.2f} s, worst {worst:5.2f} s ({len(values)})")
    length = max(due(*piece) for piece in pieces)
    print(
        f"  while answering: {told.dropped} of {told.given} pieces dropped, "
        f"{told.sampled / max(told.answering, 1e-3):.2f} pictures/s looked at "
        f"in {told.answering:.1f} s\n"
        f"  in all: {told.all_dropped} of {told.all_given} pieces dropped, "
        f"{told.all_sampled / count / length:.2f} pictures/s looked at; "
        f"quality went down to: {told.lowest.words}; {told.refused} questions came too early",
        flush=True,
    )


def main() -> None:
    engine = load_engine(Choice(), home())
    pieces = captured()
    for count in [int(each) for each in sys.argv[1:]] or [1, 3]:
        measure(engine, pieces, count)


if __name__ == "__main__":
    main()
