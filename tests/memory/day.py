"""A synthetic day of eight hours with real material spread through it, and questions on that.

What is real: the words of a NASA clip, of a speech and of the sample clip (narration and
captions). The rest is made up here, seeded: talk about a dozen subjects, captions and labels,
with words in common with the real material (coffee, cats, gates, prices, rockets).
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

from memory.segment import Look, Observation, ScreenText, SeenObject, Segment, Utterance

ROOT = Path(__file__).resolve().parents[2]
HOURS = 8
SECONDS = 20.0
BOX = (0.1, 0.8, 0.9, 0.9)

NASA = (
    "This is the optical and science segment of the Webb Space Telescope in one of the largest "
    "clean rooms in the world at NASA's Goddard Space Flight Center in Greenbelt, Maryland."
)
JFK = (
    "And so my fellow Americans, ask not what your country can do for you, ask what you can do "
    "for your country."
)

# Question, and the piece of material that answers it: nasa, jfk, or the number of a scene of
# the sample clip.
QUESTIONS: tuple[tuple[str, str], ...] = (
    ("Where is the telescope being kept, according to the narrator?", "nasa"),
    ("In which town is the Goddard Space Flight Center?", "nasa"),
    ("What kind of room is the Webb telescope in?", "nasa"),
    ("Which part of the space telescope was it?", "nasa"),
    ("What should Americans ask, according to the speaker?", "jfk"),
    ("What was said about what your country can do for you?", "jfk"),
    ("Whom did the speaker call his fellow countrymen?", "jfk"),
    ("How many photographs does the short film show?", "0"),
    ("How long does the short film last?", "0"),
    ("Was FIVE PHOTOGRAPHS written on the screen?", "0"),
    ("What is the cat called?", "1"),
    ("Which animal does the first photograph show?", "1"),
    ("What was shown when the name Chelsea was spoken?", "1"),
    ("How much does the cup of coffee cost?", "2"),
    ("Which price was written beside the coffee?", "2"),
    ("Who was the first woman to pilot the space shuttle?", "3"),
    ("What is the name of the astronaut?", "3"),
    ("In which year did Eileen Collins fly the shuttle?", "3"),
    ("Why is Eileen Collins remarkable?", "3"),
    ("From where does the rocket lift off, by what was said?", "4"),
    ("What does the rocket carry into space?", "4"),
    ("Which year was written beside the launch?", "4"),
    ("Why is the rocket launched?", "4"),
    ("What does the red ball do?", "5"),
    ("What does the last photograph show?", "5"),
    ("Was anything about the Hubble telescope on the screen?", "5"),
    ("What is the secret word?", "6"),
    ("Which gate is named on the closing card?", "6"),
    ("What was written while the secret word was spoken?", "6"),
    ("Did the words THE END appear?", "6"),
)

_TALK = {
    "who": (
        "the cook", "my neighbour", "a farmer", "the referee", "our teacher", "the driver",
        "a nurse", "the mayor", "the pilot of the ferry", "her brother", "the gardener",
        "a violinist", "the plumber", "an old sailor", "the cashier", "his aunt", "the vet",
        "a fellow student", "the photographer", "the waitress", "a policeman", "the librarian",
    ),
    "does": (
        "talks about", "is looking for", "has just found", "wants to sell", "keeps forgetting",
        "is repairing", "praises", "complains about", "explains", "asks for", "is drawing",
        "cannot find", "carries", "is proud of", "warns us of", "counts", "cleans", "shows us",
    ),
    "what": (
        "the price of tea", "a cup of cold coffee", "the grey cat on the fence", "an old clock",
        "the gate of the meadow", "a basket of apples", "the score of the match", "a wooden boat",
        "the timetable of the bus", "a red scarf", "the recipe for lentil soup", "two keys",
        "the country road", "a broken window", "the word on the door", "a jar of honey",
        "the photographs of the wedding", "a rocket made of paper", "the weather report",
        "a green ball", "the science lesson", "some tickets", "the room upstairs", "a parcel",
        "the largest pumpkin", "the space between the shelves", "the film of last night",
    ),
    "where": (
        "in the kitchen", "by the river", "at the market", "behind the school", "in the garden",
        "on platform two", "near the harbour", "in the waiting room", "at the cafe", "upstairs",
        "in front of the museum", "on the left side of the street", "in the workshop",
        "at the edge of the forest", "next to the bakery", "under the bridge", "in the tram",
    ),
    "when": (
        "this morning", "again", "once more", "before lunch", "after the rain", "every Tuesday",
        "for an hour", "since yesterday", "with a smile", "very slowly", "for the first time",
        "as always", "without a word", "at last", "in a hurry", "for three days",
    ),
}  # fmt: skip
_SIGNS = (
    "OPEN", "SALE", "EXIT", "MARKET STREET", "BAKERY", "TEA $2", "GATE 7", "PLATFORM 2", "NO ENTRY",
    "MUSEUM", "BREAKING NEWS", "RAIN LATER", "2 : 1", "THE BEGINNING", "NINE SONGS", "BUS 31",
)  # fmt: skip
_LABELS = (
    "cup",
    "desk",
    "street sign",
    "tabby cat",
    "seashore",
    "trolleybus",
    "bookcase",
    "web site",
)


@dataclass(frozen=True, slots=True)
class Day:
    """The segments, and which of them answers each of :data:`QUESTIONS`."""

    segments: list[Segment]
    answers: dict[str, int]


def material() -> dict[str, tuple[str, tuple[str, ...]]]:
    """What is spoken and written in each piece of the real material."""
    scenes = json.loads((ROOT / "assets" / "sample.json").read_text(encoding="utf-8"))["scenes"]
    pieces: dict[str, tuple[str, tuple[str, ...]]] = {"nasa": (NASA, ()), "jfk": (JFK, ())}
    for number, scene in enumerate(scenes):
        pieces[str(number)] = (scene["says"], tuple(scene["text"]))
    return pieces


def talk(rng: random.Random) -> str:
    who, does, what, where, when = (rng.choice(_TALK[part]) for part in _TALK)
    return f"{who} {does} {what} {where} {when}.".capitalize()


def day(seed: int, hours: float = HOURS, speech: float = 0.8, sentences: int = 300) -> Day:
    """Segments of :data:`SECONDS` each.

    Args:
        speech: share of them that is spoken in.
        sentences: different ones that are spoken, apart from the real material; embedding
            them is what a day costs.
    """
    rng = random.Random(seed)
    spoken_of = [talk(rng) for _ in range(sentences)]
    count = int(hours * 3600 / SECONDS)
    pieces = material()
    places = dict(zip(rng.sample(range(count - 6), len(pieces)), pieces, strict=True))
    segments, answers = [], {}
    for index in range(count):
        start = SECONDS * index
        observations: list[Observation] = [
            Look(start + 0.5, rng.random(), rng.random(), ("grey",)),
            *(SeenObject(start + n, rng.choice(_LABELS), rng.random()) for n in range(2)),
        ]
        if index in places:
            spoken, written = pieces[places[index]]
            answers[places[index]] = index
            observations.append(Utterance(start + 1, start + 8, spoken))
            observations += [ScreenText(start + 1, text, BOX, 0.95) for text in written]
        else:
            if rng.random() < speech:
                observations.append(Utterance(start + 1, start + 6, rng.choice(spoken_of)))
            if rng.random() < 0.2:
                observations.append(ScreenText(start + 2, rng.choice(_SIGNS), BOX, 0.9))
        ordered = tuple(sorted(observations, key=lambda o: (o.known_at, o.time)))
        segments.append(Segment(index, start, start + SECONDS, ordered, "length"))
    return Day(segments, answers)
