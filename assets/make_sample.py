"""Make ``assets/sample.mp4``, the clip that Onlooker ships, and ``assets/sample.json``, its truth.

    python assets/make_sample.py

Everything in the clip may be given away: the photographs are those inside the scikit-image
package that are CC0 or public domain (cat: CC0, S. van der Walt; coffee: CC0, R. Michetti;
Eileen Collins: NASA; rocket: SpaceX, public domain; deep field: NASA), the captions are set in
Pillow's built-in font, the voice is espeak-ng. Needs scikit-image, PyAV, Pillow and espeak-ng.
"""

from __future__ import annotations

import io
import json
import subprocess
import wave
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
PHOTOGRAPHS = Path(skimage.__file__).parent / "data"
WIDTH, HEIGHT, RATE = 640, 360, 24
SOUND_RATE = 22_050
LEAD_IN = 0.7
"""Seconds of quiet between a cut and the first word of its narration."""

View = tuple[float, float, float]
"""Centre x, centre y and width of the part of a photograph that is shown, in parts of its
width and height; the height follows from the picture's shape."""


@dataclass(frozen=True)
class Scene:
    """One shot: a photograph seen through a view that glides from ``start`` to ``end``."""

    seconds: float
    says: str
    text: tuple[str, ...]
    shows: str
    photograph: str = ""
    start: View = (0.5, 0.5, 1.0)
    end: View = (0.5, 0.5, 1.0)
    ball: bool = False


SCENES = (
    Scene(
        8,
        "Welcome. This short film shows five photographs, and it lasts one minute.",
        ("FIVE PHOTOGRAPHS", "ONE MINUTE"),
        "a title card",
    ),
    Scene(
        8,
        "The first photograph shows a cat. The cat is called Chelsea.",
        ("CHELSEA",),
        "a ginger tabby cat's face",
        "chelsea.png",
        (0.5, 0.5, 1.0),
        (0.5, 0.45, 0.8),
    ),
    Scene(
        8,
        "Next comes a cup of coffee. In this cafe it costs three dollars.",
        ("COFFEE $3",),
        "a cup of coffee with a spoon on a wooden table",
        "coffee.png",
        (0.46, 0.5, 0.9),
        (0.54, 0.5, 0.9),
    ),
    Scene(
        11,
        "This is the astronaut Eileen Collins. In nineteen ninety five she was the first woman "
        "to pilot the space shuttle.",
        ("EILEEN COLLINS", "ASTRONAUT"),
        "a smiling woman in an orange space suit before a flag and a model of the shuttle",
        "astronaut.png",
        (0.5, 0.3, 1.0),
        (0.45, 0.28, 0.8),
    ),
    Scene(
        10,
        "A rocket lifts off from Cape Canaveral, in Florida. It carries a weather satellite.",
        ("LAUNCH 2015",),
        "a rocket rising from its launch pad",
        "rocket.jpg",
        (0.5, 0.62, 0.8),
        (0.5, 0.42, 0.8),
    ),
    Scene(
        9,
        "The last photograph shows distant galaxies. A red ball moves from left to right.",
        ("HUBBLE DEEP FIELD",),
        "galaxies on black, and a red ball crossing from left to right",
        "hubble_deep_field.jpg",
        (0.5, 0.4, 0.7),
        (0.5, 0.4, 0.7),
        ball=True,
    ),
    Scene(
        6,
        "That is all. The secret word is lantern.",
        ("THE END", "GATE 42"),
        "a closing card",
    ),
)


def main() -> None:
    voices = [speak(scene.says) for scene in SCENES]
    pictures = (picture for scene in SCENES for picture in shots(scene))
    encode(HERE / "sample.mp4", pictures, soundtrack(voices))
    truth = json.dumps(describe(voices), indent=1)
    (HERE / "sample.json").write_text(truth + "\n", encoding="utf-8")


def speak(text: str) -> NDArray[np.int16]:
    """``text`` in espeak-ng's American voice, mono at :data:`SOUND_RATE`."""
    command = ["espeak-ng", "-v", "en-us", "-s", "150", "-g", "1", "--stdout", text]
    spoken = subprocess.run(command, check=True, capture_output=True).stdout
    with wave.open(io.BytesIO(spoken)) as sound:
        if (sound.getframerate(), sound.getnchannels()) != (SOUND_RATE, 1):
            raise RuntimeError(f"espeak-ng spoke at {sound.getframerate()} Hz, not {SOUND_RATE}")
        # Read to the end: a WAV written to a pipe states no true length.
        samples = np.frombuffer(sound.readframes(10 * 60 * SOUND_RATE), np.int16)
    loud = np.flatnonzero(np.abs(samples) > 200)
    return samples[: loud[-1] + 1]


def soundtrack(voices: list[NDArray[np.int16]]) -> NDArray[np.int16]:
    """The voices at their places in the clip's time, silence between."""
    total = sum(scene.seconds for scene in SCENES)
    track = np.zeros(round(total * SOUND_RATE), np.int16)
    for scene, voice, began in zip(SCENES, voices, beginnings(), strict=True):
        if LEAD_IN + len(voice) / SOUND_RATE > scene.seconds - 0.5:
            raise RuntimeError(f"no time to say {scene.says!r} in {scene.seconds} s")
        first = round((began + LEAD_IN) * SOUND_RATE)
        track[first : first + len(voice)] = voice
    return track


def beginnings() -> list[float]:
    times = [0.0]
    for scene in SCENES[:-1]:
        times.append(times[-1] + scene.seconds)
    return times


def shots(scene: Scene) -> Iterator[Image.Image]:
    """The scene's frames, captions and all."""
    photograph = None
    if scene.photograph:
        photograph = Image.open(PHOTOGRAPHS / scene.photograph).convert("RGB")
    count = round(scene.seconds * RATE)
    for number in range(count):
        done = number / (count - 1)
        if photograph is None:
            picture = Image.new("RGB", (WIDTH, HEIGHT), (24, 32, 48))
        else:
            picture = look(photograph, scene.start, scene.end, done)
        if scene.ball:
            x, y = 30 + done * (WIDTH - 60), HEIGHT * 0.45
            ImageDraw.Draw(picture).ellipse((x - 26, y - 26, x + 26, y + 26), fill=(220, 30, 30))
        caption(picture, scene.text, card=photograph is None)
        yield picture


def look(photograph: Image.Image, start: View, end: View, done: float) -> Image.Image:
    x, y, part = (a + (b - a) * done for a, b in zip(start, end, strict=True))
    width = part * min(photograph.width, photograph.height * WIDTH / HEIGHT)
    height = width * HEIGHT / WIDTH
    left = min(max(x * photograph.width - width / 2, 0), photograph.width - width)
    top = min(max(y * photograph.height - height / 2, 0), photograph.height - height)
    # The box is fractional on purpose: whole pixels would make a slow glide shake.
    return photograph.resize(
        (WIDTH, HEIGHT), Image.Resampling.BICUBIC, box=(left, top, left + width, top + height)
    )


def caption(picture: Image.Image, lines: tuple[str, ...], card: bool) -> None:
    """Write ``lines`` in the middle of a card, or on a dark band at a photograph's foot."""
    draw = ImageDraw.Draw(picture)
    size, step = (44, 64) if card else (28, 38)
    font = ImageFont.load_default(size)
    top = (HEIGHT - step * len(lines)) / 2 if card else HEIGHT - step * len(lines) - 10
    if not card:
        draw.rectangle((0, top - 8, WIDTH, HEIGHT), fill=(16, 16, 16))
    for number, line in enumerate(lines):
        draw.text((WIDTH / 2, top + step * number), line, (255, 255, 255), font, anchor="ma")


def encode(path: Path, pictures: Iterator[Image.Image], sound: NDArray[np.int16]) -> None:
    """Write H.264 and AAC; ``faststart`` lets a browser play before it has all."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
        video = out.add_stream("libx264", rate=RATE, options={"crf": "26", "preset": "slow"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = out.add_stream("aac", rate=SOUND_RATE, layout="mono")
        audio.bit_rate = 64_000
        heard = 0
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(video.encode(frame))
            until = round((number + 1) / RATE * SOUND_RATE)
            block = av.AudioFrame.from_ndarray(sound[None, heard:until], "s16", "mono")
            block.sample_rate, block.pts = SOUND_RATE, heard
            block.time_base = Fraction(1, SOUND_RATE)
            out.mux(audio.encode(block))
            heard = until
        out.mux(video.encode(None))
        out.mux(audio.encode(None))


def describe(voices: list[NDArray[np.int16]]) -> dict[str, object]:
    """What a viewer with perfect eyes and ears would note, for tests to compare with."""
    scenes = []
    for scene, voice, began in zip(SCENES, voices, beginnings(), strict=True):
        told = asdict(scene)
        said = began + LEAD_IN
        scenes.append(
            {
                "start": began,
                "end": began + scene.seconds,
                **{key: told[key] for key in ("shows", "text", "says")},
                "said_from": round(said, 2),
                "said_to": round(said + len(voice) / SOUND_RATE, 2),
            }
        )
    return {"duration": sum(s.seconds for s in SCENES), "rate": RATE, "scenes": scenes}


if __name__ == "__main__":
    main()
