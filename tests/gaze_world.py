"""A photo-real world seen through a head-worn camera under a known gaze.

Photographs that come with installed packages, and signs with words, hang on a wall of real
texture; a camera pans over it as the head follows the eyes. What is looked at, when, and what
is in view is known exactly, so questions about gaze have known answers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.gaze.geometry import FieldOfView
from models.media import Frame, GazeSample, Media

VIEW = FieldOfView(80, 50)
WIDTH, HEIGHT = 1280, 720
CANVAS = (1500, 2500)  # rows, columns
FPS, RATE = 4.0, 200.0

PHOTOS = {
    "cat": ("skimage", "data/chelsea.png"),
    "cup": ("skimage", "data/coffee.png"),
    "motorcycle": ("skimage", "data/motorcycle_left.png"),
    "tripod": ("skimage", "data/camera.png"),
    "lion": ("gradio", "media_assets/images/lion.jpg"),
    "building": ("sklearn", "datasets/images/china.jpg"),
}
OTHER_PHOTOS = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "coins": ("skimage", "data/coins.png"),
    "cheetah": ("gradio", "media_assets/images/cheetah1.jpg"),
    "tower": ("gradio", "media_assets/images/tower.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
}
WORDS = ("OPEN", "EXIT", "HOTEL", "TAXI", "BANK", "MUSEUM", "BAKERY", "POLICE", "STATION", "SALE")
BOARDS = {
    "red": (170, 25, 25),
    "blue": (30, 60, 170),
    "green": (20, 110, 50),
    "black": (20, 20, 20),
}


@dataclass(frozen=True)
class Item:
    """Something on the wall: ``left, top, right, bottom`` in canvas pixels."""

    name: str
    box: tuple[int, int, int, int]
    sign: bool
    colour: str = ""

    @property
    def centre(self) -> tuple[float, float]:
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


@dataclass(frozen=True)
class Dwell:
    """A stay of the gaze on one item, in seconds."""

    start: float
    end: float
    item: Item


@dataclass(frozen=True)
class Asked:
    """A question with a known answer. ``kind`` is one of StreamGaze's ten, in short."""

    kind: str
    time: float
    question: str
    options: tuple[str, ...]
    right: int


def available() -> bool:
    return all(_path(*where) is not None for where in PHOTOS.values())


def _path(package: str, name: str) -> Path | None:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / name
    return path if path.is_file() else None


def _read(package: str, name: str) -> NDArray[np.uint8]:
    image = cv2.imread(str(_path(package, name)), cv2.IMREAD_COLOR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def texture(name: str) -> NDArray[np.uint8]:
    """A photograph of a surface, RGB."""
    return _read("skimage", f"data/{name}")


def photo(name: str) -> NDArray[np.uint8]:
    """A photograph, RGB, cut square around its middle."""
    image = _read(*(PHOTOS | OTHER_PHOTOS)[name])
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


class World:
    """One wall and one walk of the gaze over it, drawn from ``seed``."""

    def __init__(self, seed: int, dwells: int = 13, noise: float = 3.0) -> None:
        self._noise = noise
        self._rng = np.random.default_rng(seed)
        self.canvas = self._wall()
        self.items = self._hang()
        self.dwells = self._walk(dwells)
        self.duration = self.dwells[-1].end
        self._gaze, self._camera = self._move()

    def media(self, gaze: World | None = None) -> Iterator[Media]:
        """Samples and pictures in time order; the gaze of another world where one is given."""
        samples = (gaze or self)._samples()
        waiting = next(samples, None)
        for step in range(int(self.duration * FPS) + 1):
            time = step / FPS
            while waiting is not None and waiting.time <= time:
                yield waiting
                waiting = next(samples, None)
            yield Frame(time, self.picture(time))

    def picture(self, time: float) -> NDArray[np.uint8]:
        """What the camera shows, RGB ``uint8 (720, 1280, 3)``."""
        left, top = self.corner(time)
        patch = cv2.getRectSubPix(
            self.canvas, (WIDTH, HEIGHT), (left + WIDTH / 2 - 0.5, top + HEIGHT / 2 - 0.5)
        )
        if not self._noise:
            return patch
        rng = np.random.default_rng(int(time * 1000))
        noise = rng.normal(0, self._noise, (HEIGHT, WIDTH, 1))
        return np.clip(patch + noise, 0, 255).astype(np.uint8)

    def at(self, time: float, x: float, y: float) -> Item | None:
        """What hangs at a normalised point of the camera's picture."""
        left, top = self.corner(time)
        across, down = left + x * WIDTH, top + y * HEIGHT
        return next(
            (
                item
                for item in self.items
                if item.box[0] <= across <= item.box[2] and item.box[1] <= down <= item.box[3]
            ),
            None,
        )

    def corner(self, time: float) -> tuple[float, float]:
        """Left and top of the camera's picture on the canvas."""
        at = min(int(time * RATE), len(self._camera) - 1)
        return float(self._camera[at, 0]), float(self._camera[at, 1])

    def in_view(self, item: Item, start: float, end: float) -> float:
        """Greatest share of an item that the picture showed between two times."""
        best = 0.0
        for time in np.arange(start, end + 0.01, 0.25):
            left, top = self.corner(float(time))
            across = min(item.box[2], left + WIDTH) - max(item.box[0], left)
            down = min(item.box[3], top + HEIGHT) - max(item.box[1], top)
            area = (item.box[2] - item.box[0]) * (item.box[3] - item.box[1])
            best = max(best, max(0.0, across) * max(0.0, down) / area)
        return best

    def _wall(self) -> NDArray[np.uint8]:
        name = str(self._rng.choice(["brick.png", "gravel.png", "grass.png"]))
        surface = texture(name)[..., 0]
        rows, columns = CANVAS
        tiles = (rows // surface.shape[0] + 1, columns // surface.shape[1] + 1)
        wall = np.tile(surface, tiles)[:rows, :columns].astype(np.float32)
        wall = 110 + 0.35 * (wall - wall.mean())
        tint = self._rng.uniform(0.9, 1.1, 3)
        return np.clip(wall[..., None] * tint, 0, 255).astype(np.uint8)

    def _hang(self) -> tuple[Item, ...]:
        rng = self._rng
        signs = rng.choice(WORDS, 5, replace=False).tolist()
        names = [*PHOTOS, *signs]
        rng.shuffle(names)
        items = []
        for place, name in enumerate(names):
            column, row = place % 4, place // 4
            x = int(625 * column + 312 + rng.integers(-60, 60))
            y = int(500 * row + 250 + rng.integers(-50, 50))
            colour = "" if name in PHOTOS else str(rng.choice(list(BOARDS)))
            picture = cv2.resize(photo(name), (300, 300)) if name in PHOTOS else board(name, colour)
            height, width = picture.shape[:2]
            left, top = x - width // 2, y - height // 2
            left = min(max(0, left), CANVAS[1] - width)
            top = min(max(0, top), CANVAS[0] - height)
            self.canvas[top : top + height, left : left + width] = picture
            items.append(
                Item(name, (left, top, left + width, top + height), name not in PHOTOS, colour)
            )
        return tuple(items)

    def _walk(self, count: int) -> tuple[Dwell, ...]:
        """A habit of three things at the end (a, b, c, a, b, c, a, b), free looks before."""
        rng = self._rng
        liked = rng.permutation(len(self.items))[: len(self.items) - 3]
        order: list[int] = []
        while len(order) < count - 8:
            choice = int(rng.choice(liked))
            if not order or order[-1] != choice:
                order.append(choice)
        a, b, c = (int(i) for i in liked[:3])
        if order[-1] == a:
            order.pop()
        order += [a, b, c, a, b, c, a, b]
        dwells, time = [], 0.3
        for index in order:
            length = rng.uniform(1.3, 2.2)
            dwells.append(Dwell(time, time + length, self.items[index]))
            time += length + 0.06
        return tuple(dwells)

    def _move(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The gaze on the canvas and the camera's corner, at :data:`RATE`."""
        rng = self._rng
        count = int(self.duration * RATE) + 1
        gaze = np.zeros((count, 2))
        spots: list[tuple[float, float, float]] = []  # until, x, y
        for dwell in self.dwells:
            time = dwell.start
            while time < dwell.end:
                length = min(rng.uniform(0.3, 0.7), dwell.end - time)
                if dwell.end - time - length < 0.15:
                    length = dwell.end - time
                x, y = dwell.item.centre
                spots.append((time + length, x + rng.normal(0, 18), y + rng.normal(0, 12)))
                time += length
        place = 0
        for i in range(count):
            time = i / RATE
            while place + 1 < len(spots) and time > spots[place][0]:
                place += 1
            gaze[i] = spots[place][1:]
        # A saccade takes some 30 ms.
        kernel = np.hanning(9)[1:-1] / np.hanning(9)[1:-1].sum()
        padded = np.pad(gaze, ((3, 3), (0, 0)), mode="edge")
        gaze = np.stack([np.convolve(padded[:, k], kernel, "valid") for k in (0, 1)], axis=1)
        camera = np.zeros((count, 2))
        limits = np.array([CANVAS[1] - WIDTH, CANVAS[0] - HEIGHT])
        at = np.clip(gaze[0] - (WIDTH / 2, HEIGHT / 2), 0, limits)
        for i in range(count):
            goal = gaze[i] - (WIDTH / 2, HEIGHT / 2)
            at = at + (np.clip(goal, 0, limits) - at) * (1 / (0.2 * RATE))
            camera[i] = at
        return gaze, camera

    def _samples(self) -> Iterator[GazeSample]:
        rng = np.random.default_rng(7)
        lost_until = -1.0
        for i, (point, corner) in enumerate(zip(self._gaze, self._camera, strict=True)):
            time = i / RATE
            if rng.random() < 0.0005:
                lost_until = time + rng.uniform(0.1, 0.2)
            x, y = (point - corner + rng.normal(0, 2.5, 2)) / (WIDTH, HEIGHT)
            if time < lost_until:
                yield GazeSample(time, math.nan, math.nan, 0.0)
            else:
                yield GazeSample(time, float(x), float(y))

    def questions(self) -> list[Asked]:
        """Questions of the ten kinds of StreamGaze."""
        rng = np.random.default_rng(len(self.dwells) + int(self.duration * 1000))
        asked: list[Asked] = []
        looked = {dwell.item.name for dwell in self.dwells}
        never = [i for i in self.items if i.name not in looked]
        end = self.dwells[-1].end

        def add(kind: str, time: float, question: str, right: str, wrong: list[str]) -> None:
            wrong = [w for w in dict.fromkeys(wrong) if w != right][:3]
            if len(wrong) < 1:
                return
            options = [right, *wrong]
            rng.shuffle(options)
            asked.append(Asked(kind, time, question, tuple(options), options.index(right)))

        def others(*but: str) -> list[str]:
            return [str(n) for n in rng.permutation([i.name for i in self.items]) if n not in but]

        for place in rng.permutation(len(self.dwells) - 1)[:4]:
            dwell, after = self.dwells[place], self.dwells[place + 1]
            follow = {
                b.item.name
                for a, b in pairwise(self.dwells)
                if a.item is dwell.item and b.end <= after.end
            }
            if len(follow) == 1:
                add(
                    "object transition",
                    after.end + 0.05,
                    f"What did I look at next after looking at the {dwell.item.name}?",
                    after.item.name,
                    others(dwell.item.name, after.item.name),
                )
        for item in never[:3]:
            pool = [n for n in others() if n in looked]
            add(
                "never looked at",
                end,
                "Which of these did I never look at?",
                item.name,
                pool,
            )
        for place in rng.permutation(len(self.dwells) - 2)[:3]:
            names = [d.item.name for d in self.dwells[place : place + 3]]
            right = " -> ".join(names)
            wrong = []
            real = {
                tuple(d.item.name for d in self.dwells[i : i + 3])
                for i in range(len(self.dwells) - 2)
            }
            while len(wrong) < 3:
                mixed = tuple(str(n) for n in rng.choice([i.name for i in self.items], 3, False))
                if mixed not in real:
                    wrong.append(" -> ".join(mixed))
            add("sequence", end, "Which sequence matches my gaze pattern?", right, wrong)
        for place in rng.permutation(len(self.dwells))[:4]:
            dwell = self.dwells[place]
            same = [d for d in self.dwells if d.item is dwell.item and d.end <= dwell.end]
            shown = {
                i.name: max(self.in_view(i, d.start - 0.5, d.end + 0.5) for d in same)
                for i in self.items
            }
            absent = [n for n, share in shown.items() if share < 0.05]
            present = [n for n, share in shown.items() if share > 0.9 and n != dwell.item.name]
            if absent and len(present) >= 2:
                add(
                    "scene recall",
                    dwell.end + 0.05,
                    f"When I was looking at the {dwell.item.name}, which of these was not visible?",
                    str(rng.choice(absent)),
                    [str(n) for n in rng.permutation(present)],
                )
        for place in rng.permutation(len(self.dwells))[:4]:
            dwell = self.dwells[place]
            time = dwell.end - 0.15
            shown = {i.name: self.in_view(i, time, time) for i in self.items}
            absent = [n for n, share in shown.items() if share < 0.1]
            present = [n for n, share in shown.items() if share > 0.9 and n != dwell.item.name]
            question = "What am I looking at right now?"
            add("identification, easy", time, question, dwell.item.name, absent)
            add("identification, hard", time, question, dwell.item.name, present)
            if dwell.item.sign:
                add(
                    "attribute",
                    time,
                    "What colour is the sign I am looking at?",
                    dwell.item.colour,
                    [c for c in BOARDS if c != dwell.item.colour],
                )
                add(
                    "attribute",
                    time,
                    "What does the sign I am looking at say?",
                    dwell.item.name,
                    [n for n in others() if n in WORDS],
                )
        third = self.dwells[-6].item.name
        add("what comes next", end, "What will I look at next?", third, others(third))
        for dwell in self.dwells[2:8:2]:
            first = next(d for d in self.dwells if d.item is dwell.item)
            wish = f"Tell me when I look at the {dwell.item.name}."
            for time, right in ((first.start - 0.3, "No"), (first.end + 0.1, "Yes")):
                if time > 0.5:
                    place = ("Yes", "No").index(right)
                    asked.append(Asked("gaze alert", time, wish, ("Yes", "No"), place))
        for item in [i for i in self.items if i.sign][:3]:
            shown_at = [
                t for t in np.arange(0, end, 0.25) if self.in_view(item, float(t), float(t)) > 0.99
            ]
            hidden = [
                t for t in np.arange(0, end, 0.25) if self.in_view(item, 0.0, float(t)) < 0.01
            ]
            wish = f"Tell me when the {item.name} appears."
            if shown_at and shown_at[0] > 0.5:
                asked.append(
                    Asked("appearance alert", float(shown_at[0]) + 1.5, wish, ("Yes", "No"), 0)
                )
            if hidden and hidden[-1] > 0.5:
                asked.append(Asked("appearance alert", float(hidden[-1]), wish, ("Yes", "No"), 1))
        return asked


def board(word: str, colour: str) -> NDArray[np.uint8]:
    """A painted sign with a word, RGB."""
    scale, thick = 1.6, 4
    (width, height), _ = cv2.getTextSize(word, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    picture = np.full((height + 60, width + 60, 3), BOARDS[colour], np.uint8)
    cv2.putText(
        picture,
        word,
        (30, height + 30),
        cv2.FONT_HERSHEY_SIMPLEX,
        scale,
        (245, 245, 235),
        thick,
        cv2.LINE_AA,
    )
    return picture
