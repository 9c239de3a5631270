"""What the frozen eyes and ears make of a made-up stream, kept so that it is made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.media import SAMPLE_RATE
from models.training.scenes import Scene
from models.vision.objects import ObjectClassifier

GRID = 7
CHANNELS = 320

_BANDS = 40
_STEPS = CHANNELS // _BANDS
"""Steps of a second's spectrum, so that a second of sound is as wide as a piece of a picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Sensed:
    """Features of a stream watched at a frame a second.

    Attributes:
        pictures: float32 ``(seconds, GRID, GRID, CHANNELS)``: the map of EfficientNet-Lite0
            before its head.
        sounds: float32 ``(seconds, CHANNELS)``: the log spectrum, 40 bands in 8 steps.
    """

    pictures: Tensor
    sounds: Tensor

    def until(self, seconds: int) -> Sensed:
        return Sensed(self.pictures[:seconds], self.sounds[:seconds])


class Senses:
    """Senses streams; what it made lies in ``folder``, a file a seed.

    Raises:
        VisionError: a package is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._classifier = ObjectClassifier()
        folder.mkdir(parents=True, exist_ok=True)

    def scene(self, scene: Scene) -> Sensed:
        path = self._folder / f"{scene.seed}.npz"
        if not path.exists():
            half = path.with_suffix(".half")
            with half.open("wb") as file:
                np.savez(
                    file,
                    pictures=self._pictures(scene.frames()),
                    sounds=spectrum(scene.audio()).astype(np.float16),
                )
            half.rename(path)
        with np.load(path) as kept:
            return _sensed(kept["pictures"], kept["sounds"])

    def media(self, frames: NDArray[np.uint8], audio: NDArray[np.float32]) -> Sensed:
        """Of any frames ``(seconds, H, W, 3)`` and as many seconds of sound."""
        return _sensed(self._pictures(frames), spectrum(audio))

    def _pictures(self, frames: NDArray[np.uint8]) -> NDArray[np.float16]:
        return np.stack([self._classifier.look(frame).features for frame in frames])


def _sensed(pictures: NDArray[np.float16], sounds: NDArray[np.floating]) -> Sensed:
    return Sensed(
        torch.from_numpy(pictures.astype(np.float32)), torch.from_numpy(sounds.astype(np.float32))
    )


def spectrum(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log energy of each whole second of mono sound, ``(seconds, CHANNELS)``: 40 bands, evenly
    spaced on the mel scale up to 7.6 kHz, in 8 steps. Silence is about -1, loud sound about 1."""
    seconds = len(audio) // SAMPLE_RATE
    window = SAMPLE_RATE // _STEPS
    steps = audio[: seconds * SAMPLE_RATE].reshape(seconds * _STEPS, window)
    power = np.abs(np.fft.rfft(steps * np.hanning(window), axis=1)) ** 2 / window
    mel = np.linspace(0, 2595 * np.log10(1 + 7600 / 700), _BANDS + 1)
    edges = 700 * (10 ** (mel / 2595) - 1)
    band = np.digitize(np.fft.rfftfreq(window, 1 / SAMPLE_RATE), edges) - 1
    sums = np.stack([power[:, band == n].sum(1) for n in range(_BANDS)], axis=1)
    levels: NDArray[np.float32] = (np.log10(sums + 1e-6) / 3).astype(np.float32)
    return levels.reshape(seconds, CHANNELS)
