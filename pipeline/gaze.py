"""One stream's gaze: fixations, and what each of them was on."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from memory.segment import Fixation
from models.gaze.filters import Loss
from models.gaze.fixations import HEAD_WORN, Settings, detector
from models.gaze.fixations import Fixation as Rest
from models.gaze.geometry import NEON, FieldOfView
from models.media import Frame, GazeSample, jpeg, within
from models.vision.facts import COLOURS, name_colours
from models.vision.text_reader import ReadText
from pipeline.perception import Seeing

REACH = 0.25
"""Side of the square around the gaze that is looked into, in parts of the picture's width."""

FOVEA = 0.06
"""The same for colour, which is that of the very thing."""

WORTH_NAMING = 0.12
"""Seconds a fixation must last before models are run for it; shorter ones see little."""

NAMINGS = 2.0
"""Fixations a second, in the long run, that models are run for."""

PICTURES = 12
"""Newest pictures held, so that a fixation finds the one that shows it."""

NEAR = 0.5
"""Seconds a picture may lie before or after a fixation and still show it."""

FIRST_PIECE, NEXT_PIECES = 0.5, 2.0
"""Seconds after which a fixation that goes on is given in part, so that what is looked at is
known while it is looked at."""

LATE = 1.0
"""Seconds of stream time by which live samples may come later than pictures."""

CROP_SIDE, CROP_BYTES = 96, 6000
"""Most pixels of a side, and most bytes, of the picture that memory keeps of a fixation."""

ALIKE_LOOK = 0.9
"""Correlation of what is around the gaze from which it is what was looked at before."""


class Reading(Protocol):
    """Text in a picture, RGB ``uint8 (H, W, 3)``."""

    def read(self, image: NDArray[np.uint8]) -> list[ReadText]: ...


@dataclass(frozen=True, slots=True)
class Target:
    """What a fixation was on.

    Attributes:
        labels: of things, best first.
        texts: that were read there, the nearest first.
        certain: whether the labels may be taken as facts.
        colour: of the thing; empty where not told.
    """

    labels: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    certain: bool = True
    colour: str = ""

    def __str__(self) -> str:
        """In words, as memory keeps it: ``cup (red), "OPEN"``; ``perhaps knife``."""
        said = ", ".join(_plain(label) for label in self.labels)
        if said and not self.certain:
            said = f"perhaps {said}"
        if self.colour and (said or self.texts):
            said = f"{said} ({self.colour})".strip()
        quoted = [f'"{_plain(text, keep=",()")}"' for text in self.texts]
        return ", ".join([*([said] if said else []), *quoted])

    @classmethod
    def parse(cls, words: str) -> Target:
        """From the words of :meth:`__str__`."""
        texts = tuple(re.findall(r'"([^"]*)"', words))
        rest = re.sub(r'"[^"]*"', "", words)
        colour = re.search(r"\(([^)]*)\)", rest)
        rest = re.sub(r"\([^)]*\)", "", rest).strip(" ,")
        certain = not rest.startswith("perhaps ")
        labels = rest.removeprefix("perhaps ").split(",")
        named = tuple(label.strip() for label in labels if label.strip())
        return cls(named, texts, certain, colour[1] if colour else "")


def _plain(words: str, keep: str = "") -> str:
    """Words without the marks that :meth:`Target.__str__` sets."""
    for mark, other in (('"', "'"), (",", " "), ("(", " "), (")", " ")):
        if mark not in keep:
            words = words.replace(mark, other)
    return " ".join(words.split())


class Namer:
    """Says what lies around a point of a picture, by the models that see and read.

    Args:
        certain_above: confidence from which a label is taken as fact.

    Attributes:
        runs: pictures that the models were run on.
    """

    def __init__(self, seeing: Seeing, reading: Reading, certain_above: float) -> None:
        self._seeing = seeing
        self._reading = reading
        self._certain_above = certain_above
        self.runs = 0

    def name(self, image: NDArray[np.uint8], x: float, y: float) -> Target:
        """What lies at ``x, y`` (normalised) of an RGB picture ``uint8 (H, W, 3)``."""
        crop, (left, top) = around(image, x, y, REACH)
        if not crop.size:
            return Target()
        self.runs += 1
        labels = self._seeing.look(crop).labels
        sure = [label.label for label in labels if label.confidence >= self._certain_above]
        height, width = image.shape[:2]
        at = ((x * width - left) / crop.shape[1], (y * height - top) / crop.shape[0])
        texts = sorted(self._reading.read(crop), key=lambda text: distance(at, text.box))
        return Target(
            tuple(sure or [label.label for label in labels[:1]]),
            tuple(text.text for text in texts if len(text.text) > 1),
            bool(sure) or not labels,
            colour_at(image, x, y),
        )


def around(
    image: NDArray[np.uint8], x: float, y: float, reach: float
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """The square around a point, shifted to lie inside the picture, with its left and top.

    Args:
        reach: its side in parts of the picture's width. Empty where the point lies outside.
    """
    height, width = image.shape[:2]
    if not (0 <= x <= 1 and 0 <= y <= 1):
        return image[:0, :0], (0, 0)
    side = min(max(8, round(reach * width)), width, height)
    left = min(max(0, round(x * width - side / 2)), width - side)
    top = min(max(0, round(y * height - side / 2)), height - side)
    return image[top : top + side, left : left + side], (left, top)


def colour_at(image: NDArray[np.uint8], x: float, y: float) -> str:
    """The name of the commonest colour right at a point."""
    crop, _ = around(image, x, y, FOVEA)
    if not crop.size:
        return ""
    counts = np.bincount(name_colours(crop).ravel(), minlength=len(COLOURS))
    return COLOURS[int(counts.argmax())]


def distance(at: tuple[float, float], box: tuple[float, float, float, float]) -> float:
    """From a point to a box, 0 inside, in the units of both."""
    left, top, right, bottom = box
    across = max(left - at[0], 0.0, at[0] - right)
    down = max(top - at[1], 0.0, at[1] - bottom)
    return math.hypot(across, down)


class GazeWatcher:
    """Feed it one stream's gaze and pictures in stream-time order; it gives fixations for memory.

    A fixation is given when it is known to have ended, a long one in pieces while it goes on,
    named by a picture from late in it. The models are run for the longer ones, at most
    :data:`NAMINGS` a second of stream time, and not again while what is around the gaze looks
    the same. What they are run for, memory also keeps a small picture of.

    Args:
        namer: None leaves fixations without names.
        view: field of view of the pictures.

    Attributes:
        losses: stretches in which the eye was lost, blinks among them, newest last.
    """

    def __init__(
        self,
        namer: Namer | None,
        settings: Settings = HEAD_WORN,
        view: FieldOfView = NEON,
    ) -> None:
        self._namer = namer
        self._detector = detector(settings, view)
        self._frames: deque[Frame] = deque(maxlen=PICTURES)
        self._samples: deque[GazeSample] = deque()
        self._allowance = NAMINGS
        self._allowed_at = -math.inf
        self._last: tuple[NDArray[np.float32], Target] | None = None
        self._given: tuple[float, float] | None = None  # start of a fixation, end of what is given
        self.losses: deque[Loss] = deque(maxlen=100)

    @property
    def current(self) -> Rest | None:
        """The fixation that is still going on, without a name."""
        return self._detector.current

    def sample(self, sample: GazeSample) -> list[Fixation]:
        """Fixations, or pieces of a long one, that became known by a sample."""
        self._samples.append(sample)
        while self._samples[0].time < sample.time - 10 * NEAR:
            self._samples.popleft()
        found = self._ended(self._detector.push(sample))
        going_on = self._detector.current
        if going_on is not None:
            found += self._piece(going_on)
        return found

    def frame(self, frame: Frame) -> list[Fixation]:
        """Take a picture, sampled for perception or not; the fixation that ended where the
        tracker has fallen silent."""
        self._frames.append(frame)
        return self._ended(self._detector.advance(frame.time - LATE))

    def finish(self) -> list[Fixation]:
        """What is still open when the stream ends."""
        return self._ended(self._detector.finish())

    def _ended(self, found: Iterable[Rest | Loss]) -> list[Fixation]:
        fixations = []
        for event in found:
            if isinstance(event, Loss):
                self.losses.append(event)
                continue
            start = event.start
            if self._given is not None and self._given[0] == event.start:
                start = self._given[1]
            self._given = None
            if event.end > start:
                fixations.append(self._fixation(replace(event, start=start)))
        return fixations

    def _piece(self, rest: Rest) -> list[Fixation]:
        begun = self._given is not None and self._given[0] == rest.start
        start = self._given[1] if begun and self._given is not None else rest.start
        if rest.end - start < (NEXT_PIECES if begun else FIRST_PIECE):
            return []
        self._given = rest.start, rest.end
        return [self._fixation(replace(rest, start=start))]

    def _fixation(self, rest: Rest) -> Fixation:
        target, crop = self._looked_at(rest)
        return Fixation(rest.start, rest.end, rest.x, rest.y, str(target), crop)

    def _looked_at(self, rest: Rest) -> tuple[Target, bytes]:
        """What a fixation was on, and a JPEG of it where it was not there before."""
        frame = self._picture(rest)
        if frame is None:
            return Target(), b""
        x, y = self._gaze_in(frame, rest)
        crop, _ = around(frame.image, x, y, REACH)
        look = _look(crop)
        if look is None:
            return Target(), b""
        if self._last is not None and float((look * self._last[0]).sum()) >= ALIKE_LOOK:
            return self._last[1], b""
        if rest.duration < WORTH_NAMING or not self._allow(rest.end):
            return Target(), b""
        target = Target() if self._namer is None else self._namer.name(frame.image, x, y)
        self._last = (look, target)
        return target, small_jpeg(crop)

    def _picture(self, rest: Rest) -> Frame | None:
        # The head follows the eye: late in a look, what is looked at is nearest the middle.
        best = rest.end - (rest.end - rest.start) / 4
        near = [f for f in self._frames if rest.start - NEAR <= f.time <= rest.end + NEAR]
        return min(near, key=lambda frame: abs(frame.time - best), default=None)

    def _gaze_in(self, frame: Frame, rest: Rest) -> tuple[float, float]:
        """Where the gaze was in a picture: the head moves while the eye rests on a thing."""
        if rest.start <= frame.time <= rest.end:
            near = [
                (s.x, s.y)
                for s in self._samples
                if abs(s.time - frame.time) <= 0.05
                and rest.start <= s.time <= rest.end
                and math.isfinite(s.x)
            ]
            if near:
                x, y = np.median(near, axis=0)
                return float(x), float(y)
        return rest.x, rest.y

    def _allow(self, time: float) -> bool:
        if math.isfinite(self._allowed_at):
            grown = self._allowance + NAMINGS * max(0.0, time - self._allowed_at)
            self._allowance = min(NAMINGS, grown)
        self._allowed_at = time
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True


def small_jpeg(crop: NDArray[np.uint8]) -> bytes:
    """An RGB picture as a JPEG of at most :data:`CROP_SIDE` pixels a side and
    :data:`CROP_BYTES` bytes, coarser where it must be."""
    small = within(crop, CROP_SIDE)
    for quality in (80, 60, 40, 20, 5):
        data = jpeg(small, quality)
        if len(data) <= CROP_BYTES:
            return data
    return b""


def _look(crop: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """A picture as a small one of zero mean and unit length; None where it is empty."""
    if not crop.size:
        return None
    luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(luma, (24, 24), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= small.mean()
    return np.asarray(small / max(float(np.linalg.norm(small)), 1e-6), np.float32)
