"""Pictures made for tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"


def card(*lines: str, size: int = 32, noise: float = 0.0, seed: int = 0) -> NDArray[np.uint8]:
    """White lines of text on a dark 640 x 360 picture."""
    picture = Image.new("RGB", (640, 360), (20, 30, 60))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.truetype(str(FONT), size)
    for index, line in enumerate(lines):
        draw.text((40, 60 + index * size * 2), line, font=font, fill="white")
    pixels = np.asarray(picture, dtype=np.float32)
    if noise:
        pixels = pixels + np.random.default_rng(seed).normal(0, noise, pixels.shape)
    return pixels.clip(0, 255).astype(np.uint8)


def photograph(name: str) -> NDArray[np.uint8]:
    """A photograph that comes with scikit-image, RGB."""
    import skimage

    path = Path(skimage.__file__).parent / "data" / name
    return np.asarray(Image.open(path).convert("RGB"), dtype=np.uint8)


def ball(x: float, y: float, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A ball at ``x, y`` (normalised) before a still, textured ground."""
    ground = np.random.default_rng(5).integers(60, 110, (36, 64, 3)).astype(np.uint8)
    picture = cv2.resize(ground, (640, 360), interpolation=cv2.INTER_LINEAR)
    return cv2.circle(picture, (round(x * 640), round(y * 360)), 30, colour, -1)
