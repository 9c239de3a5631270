"""A session of more than a day, as one was left on disk."""

from __future__ import annotations

import io
import json
from dataclasses import asdict
from pathlib import Path

from PIL import Image

from app.web.room import Wanted
from memory.memory import Memory
from memory.segment import Gap, Note, ScreenText, Segment, Turn, Utterance
from tests.app.web.fakes import fake_embed

LENGTH = 10.0
EVERY = 7200.0
BLOCKS = 14
PART = 15
"""Segments of one block; between two blocks the camera was away."""

SAID = (
    "Good morning, the shop opens now.",
    "A parcel came for the neighbours.",
    "Coffee is three dollars today.",
    "The cat sleeps in the window.",
    "It has begun to rain outside.",
    "We close at eight this evening.",
    "Somebody left an umbrella here.",
)


def picture(shade: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (160, 90), (40 + 15 * (shade % 14), 110, 100)).save(data, "JPEG")
    return data.getvalue()


def keep(folder: Path, name: str, wanted: Wanted | None = None, blocks: int = BLOCKS) -> None:
    """Leave a session of that id in ``folder``: ``blocks`` times some minutes, two hours apart."""
    (folder / name).mkdir(parents=True)
    wanted = wanted or Wanted("camera", "", "shop camera")
    (folder / name / "wanted.json").write_text(json.dumps(asdict(wanted)), encoding="utf-8")
    with Memory.open(folder / name / "session.onlooker", fake_embed) as memory:
        index, end = 0, 0.0
        for block in range(blocks):
            start = EVERY * block
            if start > end:
                away = Gap(end, start, "the camera was away")
                memory.append(Segment(index, end, start, (away,), "length"))
                index += 1
            for part in range(PART):
                at = start + LENGTH * part
                end = at + LENGTH
                observations = (
                    ScreenText(at + 1, f"SHELF {block}", (0.1, 0.8, 0.5, 0.9), 0.9),
                    Utterance(at + 1, at + 4, SAID[block % len(SAID)]),
                )
                segment = Segment(index, at, end, observations, "length", picture(block))
                memory.append(segment)
                if part == 0:
                    memory.write_note(index, Note(at, end, f"Hour {2 * block}: {SAID[block % 7]}"))
                index += 1
        memory.remember(Turn(end, "What does coffee cost?", "Three dollars."))
        while memory.consolidate(end + EVERY, 1 << 30).more:
            pass
