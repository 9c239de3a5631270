"""Small streams made from a seed, and questions about them with answers that are known.

A stream shows a few coloured shapes that come, move and go, sometimes a row of like shapes and
a sign, and there are sounds. A question is put at some second of it, and its answer is what was
known by then: of the past, of the present, or whether something has come yet. Answers are single
words out of a short list that belongs to the kind of question, so that chance is known too.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.media import SAMPLE_RATE

SECONDS = 8
SIDE = 224

COLOURS = {
    "red": (210, 30, 30),
    "green": (30, 150, 50),
    "blue": (40, 70, 220),
    "yellow": (240, 220, 40),
    "white": (250, 250, 250),
    "black": (10, 10, 10),
    "orange": (250, 140, 20),
    "purple": (130, 40, 170),
}
SHAPES = ("ball", "box", "star", "ring", "cross", "triangle")
PLURALS = {"box": "boxes", "cross": "crosses"}
WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1), "nowhere": (0, 0)}
NUMBERS = ("one", "two", "three", "four")
SIGNS = ("stop", "open", "sale", "taxi", "bank", "hotel")
SOUNDS = ("bell", "whistle", "hum", "noise", "knock")


@dataclass(frozen=True, slots=True)
class Thing:
    """A shape in view from second ``first`` on until before ``last``.

    ``x`` and ``y`` are its middle at ``first``, in pixels; it moves ``speed`` pixels a second.
    """

    shape: str
    colour: str
    first: int
    last: int
    x: float
    y: float
    way: str
    speed: float
    size: int

    def seen(self, second: int) -> bool:
        return self.first <= second < self.last


@dataclass(frozen=True, slots=True)
class Asked:
    """A question put when ``seconds`` of the stream have passed.

    ``options`` are all answers that fit such a question; ``answer`` is the right one.
    """

    kind: str
    text: str
    answer: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """What happens in a stream of :data:`SECONDS`, watched at a frame a second.

    ``sign`` and ``sound`` are a word and the second it begins; ``row`` is a shape, its colour
    and how many there are.
    """

    seed: int
    things: tuple[Thing, ...]
    row: tuple[str, str, int] | None
    sign: tuple[str, int] | None
    sound: tuple[str, int] | None

    @classmethod
    def of(cls, seed: int) -> Scene:
        chance = np.random.default_rng(seed)
        shapes = chance.permutation(SHAPES).tolist()
        colours = chance.permutation(list(COLOURS)).tolist()
        columns = chance.permutation([44.0, 112.0, 180.0]).tolist()
        things = []
        for place in range(int(chance.integers(2, 4))):
            first = 0 if place == 0 else int(chance.integers(1, 6))
            last = int(chance.integers(first + 3, SECONDS + 3))
            way = str(chance.choice(list(WAYS)))
            sideways, downwards = WAYS[way]
            speed = float(chance.uniform(10, 16)) if sideways else float(chance.uniform(7, 9))
            things.append(
                Thing(
                    shape=shapes.pop(),
                    colour=colours.pop(),
                    first=first,
                    last=min(last, SECONDS),
                    x=columns[place] - 50 * sideways if sideways else columns[place],
                    y=112 - 30.0 * downwards + float(chance.uniform(-6, 6)),
                    way=way,
                    speed=speed,
                    size=int(chance.integers(20, 30)),
                )
            )
        row = sign = sound = None
        if chance.random() < 0.6:
            row = (shapes.pop(), colours.pop(), int(chance.integers(1, 5)))
        if chance.random() < 0.7:
            sign = (str(chance.choice(SIGNS)), int(chance.integers(0, 5)))
        if chance.random() < 0.8:
            sound = (str(chance.choice(SOUNDS)), int(chance.integers(0, 5)))
        return cls(seed, tuple(things), row, sign, sound)

    def frames(self) -> NDArray[np.uint8]:
        """One a second: ``(seconds, side, side, 3)``, RGB."""
        return np.stack([self.frame(second) for second in range(SECONDS)])

    def audio(self) -> NDArray[np.float32]:
        """Mono, ``(seconds * rate,)``."""
        chance = np.random.default_rng(self.seed + 1)
        heard = chance.normal(0, 0.002, SECONDS * SAMPLE_RATE).astype(np.float32)
        if self.sound is not None:
            name, first = self.sound
            heard[first * SAMPLE_RATE :] += _sound(name, SECONDS - first, chance)
        return heard

    def questions(self, seconds: int) -> list[Asked]:
        """All that can be asked when ``seconds`` have passed."""
        now = seconds - 1
        known = [t for t in self.things if t.first <= now]
        asked = []
        for thing in known:
            the = thing.shape
            asked += [
                Asked("colour", f"What color is the {the}?", thing.colour, tuple(COLOURS)),
                Asked("shape", f"What shape is the {thing.colour} thing?", the, SHAPES),
            ]
            if min(thing.last, seconds) - thing.first >= 3:
                asked.append(
                    Asked("motion", f"Which way does the {the} move?", thing.way, tuple(WAYS))
                )
        at_first = [t.shape for t in self.things if t.first == 0]
        asked.append(Asked("past", "Which shape was in the middle at first?", at_first[0], SHAPES))
        for one in known:
            for other in known:
                if one.first < other.first:
                    pair = sorted((one.shape, other.shape), key=lambda s: (len(s), s))
                    text = f"Which came first, the {pair[0]} or the {pair[1]}?"
                    asked.append(Asked("order", text, one.shape, tuple(pair)))
        asked += self._yes_or_no(known, now, np.random.default_rng((self.seed, seconds)))
        if self.row is not None:
            shape, _, count = self.row
            text = f"How many {PLURALS.get(shape, shape + 's')} are in the row?"
            asked.append(Asked("count", text, NUMBERS[count - 1], NUMBERS))
        word = self.sign[0] if self.sign and self.sign[1] <= now else "nothing"
        asked.append(Asked("text", "What does the sign say?", word, (*SIGNS, "nothing")))
        name = self.sound[0] if self.sound and self.sound[1] <= now else "silence"
        asked.append(Asked("sound", "What sound is heard?", name, (*SOUNDS, "silence")))
        return asked

    def _yes_or_no(self, known: list[Thing], now: int, chance: np.random.Generator) -> list[Asked]:
        """As many that are answered by yes as by no, whatever they ask for."""
        shown = {t.shape for t in self.things} | ({self.row[0]} if self.row else set())
        absent = [shape for shape in SHAPES if shape not in shown]
        worn = {t.colour for t in self.things}
        unworn = chance.permutation([c for c in COLOURS if c not in worn]).tolist()
        asked = []
        for thing, other in zip(known, unworn, strict=False):
            for colour, come in ((thing.colour, "yes"), (other, "no")):
                article = "an" if colour == "orange" else "a"
                text = f"Has {article} {colour} {thing.shape} come yet?"
                asked.append(Asked("proactive", text, come, ("yes", "no")))
        there = [t.shape for t in known if t.seen(now)]
        gone = [t.shape for t in self.things if not t.seen(now)]
        for one, other in zip(there, chance.permutation([*gone, *absent]).tolist(), strict=False):
            asked.append(Asked("present", f"Is the {one} there now?", "yes", ("yes", "no")))
            asked.append(Asked("present", f"Is the {other} there now?", "no", ("yes", "no")))
        return asked

    def frame(self, second: int) -> NDArray[np.uint8]:
        """What is in view at a second: ``(side, side, 3)``, RGB."""
        chance = np.random.default_rng(self.seed + 2)
        ends = chance.uniform(60, 200, (2, 3))
        slope = np.linspace(0, 1, SIDE)[:, None, None]
        picture = ends[0] * (1 - slope) + ends[1] * slope + np.zeros((1, SIDE, 1))
        picture += np.random.default_rng(self.seed + 3 + second).normal(0, 6, picture.shape)
        image: NDArray[np.uint8] = picture.clip(0, 255).astype(np.uint8)
        if self.row is not None:
            shape, colour, count = self.row
            for place in range(count):
                _draw(image, shape, COLOURS[colour], 30 + 54 * place, 26, 17)
        for thing in self.things:
            if thing.seen(second):
                sideways, downwards = WAYS[thing.way]
                gone = thing.speed * (second - thing.first)
                x, y = thing.x + sideways * gone, thing.y + downwards * gone
                _draw(image, thing.shape, COLOURS[thing.colour], x, y, thing.size)
        if self.sign is not None and self.sign[1] <= second:
            cv2.rectangle(image, (40, 178), (184, 220), (245, 245, 245), -1)
            cv2.putText(
                image, self.sign[0].upper(), (50, 210), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (0, 0, 0), 3
            )
        return image


def _draw(
    image: NDArray[np.uint8], shape: str, colour: tuple[int, ...], x: float, y: float, size: int
) -> None:
    """A shape whose middle is (x, y), with a thin dark edge so that it stands out anywhere."""
    middle = (round(x), round(y))
    if shape in ("ball", "ring"):
        cv2.circle(image, middle, size, (40, 40, 40), 2 if shape == "ball" else size // 2 + 2)
        cv2.circle(image, middle, size, colour, -1 if shape == "ball" else size // 2 - 1)
        return
    corners: list[tuple[float, float]]
    if shape == "box":
        corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    elif shape == "triangle":
        corners = [(0, -1), (1, 0.9), (-1, 0.9)]
    elif shape == "cross":
        arm = 0.35
        corners = [(-arm, -1), (arm, -1), (arm, -arm), (1, -arm), (1, arm), (arm, arm)]
        corners += [(arm, 1), (-arm, 1), (-arm, arm), (-1, arm), (-1, -arm), (-arm, -arm)]
    else:
        turns = np.arange(10) * np.pi / 5
        reach = np.where(np.arange(10) % 2, 0.42, 1.1)
        corners = list(zip(np.sin(turns) * reach, -np.cos(turns) * reach, strict=True))
    points = (np.array(corners) * size + middle).round().astype(np.int32)
    cv2.fillPoly(image, [points], colour)
    cv2.polylines(image, [points], True, (40, 40, 40), 2)


def _sound(name: str, seconds: int, chance: np.random.Generator) -> NDArray[np.float32]:
    time = np.arange(seconds * SAMPLE_RATE) / SAMPLE_RATE
    pitch = float(chance.uniform(0.9, 1.1))
    if name == "bell":
        wave = np.sin(2 * np.pi * 900 * pitch * time) * np.exp(-5 * (time % 1))
    elif name == "whistle":
        wave = np.sin(2 * np.pi * pitch * (2000 * (time % 1) + 400 * (time % 1) ** 2))
    elif name == "hum":
        tones = np.arange(1, 4)[:, None]
        wave = (np.sin(2 * np.pi * 110 * pitch * tones * time) / tones).sum(0)
    elif name == "noise":
        wave = chance.normal(0, 0.5, len(time))
    else:
        wave = chance.normal(0, 1, len(time)) * (time * 3 * pitch % 1 < 0.04)
    scaled: NDArray[np.float32] = (0.2 * wave).astype(np.float32)
    return scaled
