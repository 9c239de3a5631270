"""Gaze: does it help where it should, and what survives compression.

python -m tests.bench.gaze fixations     # against the maker's own on a real recording
python -m tests.bench.gaze questions     # ten kinds, with, without and shuffled gaze
python -m tests.bench.gaze engine        # the same asked of the embedded engine
python -m tests.bench.gaze foveated      # foveated against uniform pooling
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from memory.segment import Fixation, Segment
from models.compression.foveated import foveate
from models.gaze.fixations import PRESETS, detect
from models.gaze.fixations import Fixation as Rest
from models.gaze.geometry import NEON
from models.media import Frame, GazeSample
from models.reasoning.multimodal.visual import VisualFeatures
from models.reasoning.reasoner import Evidence
from models.vision.objects import CERTAIN, ObjectClassifier, _body
from models.vision.text_reader import TextReader
from pipeline.evidence import passage
from pipeline.gaze import GazeWatcher, Namer
from pipeline.gaze_questions import history, reply
from pipeline.sources.gaze.files import read_gaze
from tests.gaze_world import OTHER_PHOTOS, PHOTOS, VIEW, WORDS, Asked, World, photo, texture

Choose = Callable[[Asked, list[Segment]], tuple[float, ...]]
"""Probabilities of a question's options by what segments hold."""

SHARED = Path(__file__).resolve().parents[3] / "shared"


class Seen:
    """A world watched once, with one gaze after another over the same perception."""

    def __init__(self, senses: tuple[ObjectClassifier, TextReader]) -> None:
        self._seeing, self._reading = senses
        self.runs = 0

    def watch(self, world: World, gaze: World | None) -> list[Segment]:
        """The world in one segment; the gaze of another world where one is given."""
        from pipeline.perception import Perception, Senses

        class Deaf:
            def transcribe(self, speech: object) -> None:
                return None

        senses = Senses(Deaf(), self._reading, self._seeing, None, CERTAIN)
        perception = Perception(senses)
        namer = Namer(self._seeing, self._reading, CERTAIN)
        watcher = GazeWatcher(namer, view=VIEW)
        observations: list[object] = []
        for media in world.media(gaze):
            if isinstance(media, GazeSample):
                observations += watcher.sample(media)
            elif isinstance(media, Frame):
                observations += watcher.frame(media)
                if media.time == int(media.time):
                    observations += perception.see(media).observations
        observations += watcher.finish()
        self.runs += namer.runs
        ordered = tuple(sorted(observations, key=lambda o: (o.known_at, o.time)))
        return [Segment(0, 0.0, world.duration, ordered, "end")]


def right(asked: Asked, probabilities: tuple[float, ...] | None) -> float:
    """1 or 0; where nothing can be told, what guessing is worth."""
    if not probabilities:
        return 1 / len(asked.options)
    best = max(probabilities)
    winners = [i for i, p in enumerate(probabilities) if p > best - 1e-9]
    return (asked.right in winners) / len(winners)


def questions(worlds: int = 3, choose: Choose | None = None) -> None:
    """Accuracy by kind of question. Where the records of gaze tell nothing, ``choose`` is
    asked, or a guess is counted."""
    seen = Seen((ObjectClassifier(), TextReader()))
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    began = time.perf_counter()
    made = [World(seed) for seed in range(worlds + 1)]
    for index in range(worlds):
        world, stranger = made[index], made[index + 1]
        ways = {"gaze": seen.watch(world, None), "shuffled": seen.watch(world, stranger)}
        ways["none"] = [blind(segment) for segment in ways["gaze"]]
        for asked in world.questions():
            scores[asked.kind]["chance"].append(1 / len(asked.options))
            for way, segments in ways.items():
                known = history(segments, asked.time, CERTAIN)
                said = reply(asked.question, known, asked.time, asked.options)
                likely = said.probabilities if said is not None else ()
                if not likely and choose is not None:
                    likely = choose(asked, segments)
                scores[asked.kind][way].append(right(asked, likely))
    table(scores, ("chance", "none", "gaze", "shuffled"))
    print(f"{worlds} worlds, {seen.runs} namings, {time.perf_counter() - began:.0f} s")


def blind(segment: Segment) -> Segment:
    """The segment without its fixations."""
    kept = tuple(o for o in segment.observations if not isinstance(o, Fixation))
    return replace(segment, observations=kept)


def engine(worlds: int = 1) -> None:
    from app.home import home
    from models.reasoning.embedded import EmbeddedModel
    from models.text.embedding import SentenceEmbedder

    reasoner = EmbeddedModel.load(home()).reasoner(SentenceEmbedder())

    def choose(asked: Asked, segments: list[Segment]) -> tuple[float, ...]:
        known = [segment.as_of(asked.time) for segment in segments]
        passages = tuple(passage(s, CERTAIN) for s in known if s is not None)
        evidence = Evidence(asked.time, passages)
        return tuple(reasoner.choose(asked.question, asked.options, evidence)[0])

    questions(worlds, choose)


def table(scores: dict[str, dict[str, list[float]]], ways: tuple[str, ...]) -> None:
    print(f"{'kind':24} {'n':>4} " + " ".join(f"{way:>9}" for way in ways))
    for kind in sorted(scores):
        cells = " ".join(f"{100 * np.mean(scores[kind][way]):8.1f}%" for way in ways)
        print(f"{kind:24} {len(scores[kind][ways[-1]]):4} {cells}")
    cells = " ".join(
        f"{100 * np.mean([np.mean(scores[kind][way]) for kind in scores]):8.1f}%" for way in ways
    )
    print(f"{'mean of the kinds':24} {'':4} {cells}")


SIDE = 32
"""Pixels of a token's side: what Qwen3-VL gives one token after merging."""

GRID = (30, 40)
OFF = 1.5
"""Degrees by which the gaze is off in each direction, as head-worn trackers are."""


def foveated(each: int = 60) -> None:
    """How often what was fixated survives, at a quarter of the tokens.

    Text: small words on photographs; every token is drawn as a 32 x 32 picture of its piece,
    all the detail that a token of the full picture has; a word survives if it is then read
    right. Objects: small photographs, 12 whole ones and their quarters, cut, lit and noisy each
    time anew, drawn from the tokens as words are; an object survives if what a network sees in
    it is nearest to the right one of the 60 at that size. Features: small photographs; every
    token is the mean of the network's features over its piece; an object survives if the
    token at its middle is nearest to the right one of 12 in a gallery seen elsewhere at that
    size.

    Args:
        each: pictures of each size.
    """
    rng = np.random.default_rng(5)
    print(f"{'what':12} {'px':>4} {'n':>4} " + " ".join(f"{way:>19}" for way in WAYS) + "  ratio")
    for pixels in (5, 6, 7, 8, 10, 12):
        _row("text", pixels, survival_of_text(each, pixels, rng))
    for pixels in (8, 12, 16, 24, 32):
        _row("object", pixels, survival_of_objects(each, pixels, rng))
    for pixels in (16, 24, 32, 48, 64):
        _row("features", pixels, survival_of_features(each, pixels, rng))


def _row(what: str, pixels: int, found: dict[str, list[bool]]) -> None:
    n = len(found["full"])
    shares = [float(np.mean(found[way])) for way in WAYS]
    cells = " ".join(f"{100 * share:18.0f}%" for share in shares)
    # Of none at all, less than one in 2n is assumed.
    ratio = shares[2] / max(shares[1], 1 / (2 * n))
    print(f"{what:12} {pixels:4} {n:4} {cells} {ratio:6.1f}", flush=True)


def _pieces(features: VisualFeatures, x: float, y: float, way: str) -> list[list[int]]:
    height, width = GRID
    if way == "full":
        return [[0, r, c, r + 1, c + 1] for r in range(height) for c in range(width)]
    if way == "uniform":
        return [[0, r, c, r + 2, c + 2] for r in range(0, height, 2) for c in range(0, width, 2)]
    rest = Rest(0.0, 1.0, x, y)
    found = foveate(features, [rest], height * width // 4).pieces
    if way == "foveated, elsewhere":
        rest = Rest(0.0, 1.0, (x + 0.5) % 1, (y + 0.5) % 1)
        found = foveate(features, [rest], height * width // 4).pieces
    return found.tolist()


WAYS = ("full", "uniform", "foveated", "foveated, elsewhere")


def _drawn_from(
    image: np.ndarray, pieces: list[list[int]], box: tuple[int, int, int, int]
) -> np.ndarray:
    """The part of a picture inside ``box`` (pixels) as its tokens have it."""
    shown = np.zeros_like(image)
    for _, top, left, bottom, right in pieces:
        outside = bottom * SIDE <= box[1] or top * SIDE >= box[3]
        if outside or right * SIDE <= box[0] or left * SIDE >= box[2]:
            continue
        part = image[top * SIDE : bottom * SIDE, left * SIDE : right * SIDE]
        token = cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        size = part.shape[1], part.shape[0]
        shown[top * SIDE : bottom * SIDE, left * SIDE : right * SIDE] = cv2.resize(
            token, size, interpolation=cv2.INTER_CUBIC
        )
    return shown[box[1] : box[3], box[0] : box[2]]


def survival_of_text(count: int, pixels: int, rng: np.random.Generator) -> dict[str, list[bool]]:
    reader = TextReader()
    size = GRID[1] * SIDE, GRID[0] * SIDE
    grounds = [cv2.resize(photo(name), size) for name in PHOTOS]
    blank = VisualFeatures(torch.zeros(1, *GRID, 1), (0.5,))
    found: dict[str, list[bool]] = {way: [] for way in WAYS}
    for _ in range(count):
        word = str(rng.choice(WORDS)) + " " + str(rng.integers(10, 100))
        scale = pixels / 21  # a capital of this face is 21 pixels high at scale 1
        (w, h), _ = cv2.getTextSize(word, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        image = grounds[int(rng.integers(len(grounds)))].copy()
        left, top = int(rng.integers(0, size[0] - w - 20)), int(rng.integers(0, size[1] - h - 20))
        image[top : top + h + 12, left : left + w + 12] = (240, 238, 230)
        at = (left + 6, top + 6 + h)
        cv2.putText(image, word, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (25, 25, 30), 1, cv2.LINE_AA)
        x = (left + w / 2 + 6) / size[0] + rng.normal(0, OFF) / NEON.horizontal
        y = (top + h / 2 + 6) / size[1] + rng.normal(0, OFF) / NEON.vertical
        for way in WAYS:
            box = left, top, left + w + 12, top + h + 12
            line = _drawn_from(image, _pieces(blank, x, y, way), box)
            ((read, _),) = reader.recognise([line])
            found[way].append(read.replace(" ", "") == word.replace(" ", ""))
    return found


def survival_of_objects(count: int, pixels: int, rng: np.random.Generator) -> dict[str, list[bool]]:
    classifier = ObjectClassifier()
    whole = [cv2.resize(photo(name), (256, 256)) for name in (*PHOTOS, *OTHER_PHOTOS)]
    corners = [(row, column) for row in (0, 128) for column in (0, 128)]
    things = whole + [p[r : r + 128, c : c + 128] for p in whole for r, c in corners]

    def small(thing: np.ndarray) -> np.ndarray:
        return cv2.resize(thing, (pixels, pixels), interpolation=cv2.INTER_AREA)

    def seen(pictures: list[np.ndarray]) -> torch.Tensor:
        large = [cv2.resize(p, (224, 224), interpolation=cv2.INTER_CUBIC) for p in pictures]
        batch = torch.from_numpy((np.stack(large).astype(np.float32) - 127) / 128)
        with torch.inference_mode():
            maps = _body(classifier._model, batch.permute(0, 3, 1, 2))
        return torch.nn.functional.normalize(maps.mean((2, 3)), dim=1)

    size = GRID[1] * SIDE, GRID[0] * SIDE
    grounds = [cv2.resize(texture(f"{name}.png"), size) for name in ("brick", "gravel", "grass")]
    blank = VisualFeatures(torch.zeros(1, *GRID, 1), (0.5,))
    gallery = seen([small(thing) for thing in things])
    found: dict[str, list[bool]] = {way: [] for way in WAYS}
    for i in range(count):
        which = i % len(things)
        side = things[which].shape[0]
        cut = int(side * rng.uniform(0.9, 1.0))
        row, column = (int(v) for v in rng.integers(0, side - cut + 1, 2))
        thing = small(things[which][row : row + cut, column : column + cut]).astype(np.float64)
        thing = thing * rng.uniform(0.85, 1.15) + rng.normal(0, 5, thing.shape)
        left = int(rng.integers(0, size[0] - pixels))
        top = int(rng.integers(0, size[1] - pixels))
        image = grounds[int(rng.integers(len(grounds)))].copy()
        image[top : top + pixels, left : left + pixels] = np.clip(thing, 0, 255)
        x = (left + pixels / 2) / size[0] + rng.normal(0, OFF) / NEON.horizontal
        y = (top + pixels / 2) / size[1] + rng.normal(0, OFF) / NEON.vertical
        box = left, top, left + pixels, top + pixels
        drawn = seen([_drawn_from(image, _pieces(blank, x, y, way), box) for way in WAYS])
        for way, nearest in zip(WAYS, (drawn @ gallery.T).argmax(1).tolist(), strict=True):
            found[way].append(nearest == which)
    return found


def survival_of_features(
    count: int, pixels: int, rng: np.random.Generator
) -> dict[str, list[bool]]:
    classifier = ObjectClassifier()
    size = GRID[1] * SIDE, GRID[0] * SIDE
    things = [
        cv2.resize(photo(name), (pixels, pixels), interpolation=cv2.INTER_AREA)
        for name in (*PHOTOS, *OTHER_PHOTOS)
    ]
    grounds = [cv2.resize(texture(f"{name}.png"), size) for name in ("brick", "gravel", "grass")]

    def features(ground: np.ndarray, thing: np.ndarray, left: int, top: int) -> VisualFeatures:
        image = ground.copy()
        image[top : top + pixels, left : left + pixels] = thing
        batch = torch.from_numpy((image.astype(np.float32) - 127) / 128)[None].permute(0, 3, 1, 2)
        with torch.inference_mode():
            maps = _body(classifier._model, batch)
        return VisualFeatures(maps.permute(0, 2, 3, 1).float(), (0.5,))

    gallery = []
    for thing in things:
        middle = (GRID[1] // 2 * SIDE + SIDE // 2, GRID[0] // 2 * SIDE + SIDE // 2)
        grid = features(grounds[0], thing, middle[0] - pixels // 2, middle[1] - pixels // 2)
        gallery.append(grid.tokens[0, GRID[0] // 2, GRID[1] // 2])
    found: dict[str, list[bool]] = {way: [] for way in WAYS}
    for i in range(count):
        which = i % len(things)
        left = int(rng.integers(0, size[0] - pixels))
        top = int(rng.integers(0, size[1] - pixels))
        grid = features(grounds[1 + int(rng.integers(2))], things[which], left, top)
        x, y = (left + pixels / 2) / size[0], (top + pixels / 2) / size[1]
        row, column = int(y * GRID[0]), int(x * GRID[1])
        seen_x = x + rng.normal(0, OFF) / NEON.horizontal
        seen_y = y + rng.normal(0, OFF) / NEON.vertical
        for way in WAYS:
            piece = next(
                p
                for p in _pieces(grid, seen_x, seen_y, way)
                if p[1] <= row < p[3] and p[2] <= column < p[4]
            )
            token = grid.tokens[0, piece[1] : piece[3], piece[2] : piece[4]].mean((0, 1))
            alike = torch.cosine_similarity(token[None], torch.stack(gallery))
            found[way].append(int(alike.argmax()) == which)
    return found


def fixations() -> None:
    """Events, centres and durations against the maker's on the Neon recording."""
    track = read_gaze(SHARED / "gaze" / "neon_demo" / "gaze.csv")
    text = (SHARED / "gaze" / "neon_demo" / "fixations.csv").read_text().splitlines()[1:]
    origin = 1760676789685918534  # of the first scene frame
    truth = []
    for row in text:
        _, start, end, _, x, y = row.split(",")
        times = [(int(t) - origin) / 1e9 for t in (start, end)]
        truth.append(Rest(*times, float(x) / 1600, float(y) / 1200))
    head = (
        f"{'preset':12} {'found':>5} {'match':>5} {'F1':>6} {'centre':>8} {'unbiased':>9} {'ms':>6}"
    )
    print(head)
    for name, chosen in PRESETS.items():
        found = detect(track, chosen)
        pairs = []
        free = list(found)
        for one in truth:
            for other in free:
                both = min(one.end, other.end) - max(one.start, other.start)
                if both >= 0.5 * (max(one.end, other.end) - min(one.start, other.start)):
                    pairs.append((one, other))
                    free.remove(other)
                    break
        f1 = 2 * len(pairs) / (len(truth) + len(found))
        if not pairs:
            print(f"{name:12} {len(found):5} {0:5} {f1:6.3f}")
            continue
        dx, dy = np.median([(b.x - a.x, b.y - a.y) for a, b in pairs], axis=0)
        centre = np.median([NEON.angle(a.x, a.y, b.x, b.y) for a, b in pairs])
        fair = np.median([NEON.angle(a.x + dx, a.y + dy, b.x, b.y) for a, b in pairs])
        off = 1000 * np.median([abs(b.duration - a.duration) for a, b in pairs])
        print(
            f"{name:12} {len(found):5} {len(pairs):5} {f1:6.3f} {centre:7.2f}° {fair:8.2f}° "
            f"{off:6.1f}"
        )


if __name__ == "__main__":
    runs = {"questions": questions, "engine": engine, "foveated": foveated, "fixations": fixations}
    what = sys.argv[1] if len(sys.argv) > 1 else "fixations"
    runs[what](*(int(n) for n in sys.argv[2:]))
