"""Where an episode ends and the next begins.

An *episode* is a run of segments about one thing, some minutes long. The cut before a
segment is decided by that segment and those before it alone, so what comes later never
moves a cut. The measure is that of TextTiling (Hearst, "TextTiling: Segmenting Text into
Multi-paragraph Subtopic Passages", Computational Linguistics 23(1), 1997), with embeddings
in place of word counts: how alike a segment is to the block of segments before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory.importance import importance
from memory.segment import Gap, SceneChange, ScreenText, Segment, Utterance

DAY = 86_400.0
SHORTEST, LONGEST = 60.0, 600.0
"""Seconds an episode lasts at least, unless the stream was away, and at most."""

AWAY = 30.0
"""Seconds without the stream after which another episode begins."""

BLOCK = 6
"""Segments with words that the next is compared with."""

ALIKE, ALIKE_AFTER_CUT = 0.1, 0.3
"""Cosine below which a segment begins an episode; the same where the scene changed."""

_NOTES, _NOTE_LENGTH = 3, 300


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A segment, with the direction of its words' embeddings, ``float64 (D,)`` of length 1;
    None where it has no words."""

    segment: Segment
    vector: NDArray[np.float64] | None


def begins(run: Sequence[Scene], following: Scene) -> bool:
    """Whether ``following`` begins an episode after ``run``, which has at least one scene."""
    first, last, segment = run[0].segment, run[-1].segment, following.segment
    away = sum(o.end - o.start for o in segment.observations if isinstance(o, Gap))
    if (
        segment.start - last.end >= AWAY
        or away >= AWAY
        or segment.source != last.source
        or segment.start // DAY != first.start // DAY
        or segment.end - first.start > LONGEST
    ):
        return True
    if segment.start - first.start < SHORTEST:
        return False
    cut = last.closed_by == "scene" or any(isinstance(o, SceneChange) for o in segment.observations)
    block = [scene.vector for scene in run if scene.vector is not None][-BLOCK:]
    if following.vector is None or not block:
        return cut
    alike = float(following.vector @ _direction(np.sum(block, axis=0)))
    return alike < (ALIKE_AFTER_CUT if cut else ALIKE)


def episodes(scenes: Sequence[Scene]) -> Iterator[list[Scene]]:
    """The episodes that are over: all but the last, which may go on."""
    run: list[Scene] = []
    for scene in scenes:
        if run and begins(run, scene):
            yield run
            run = []
        run.append(scene)


def scene(segment: Segment, lines: Sequence[tuple[float, NDArray[np.float16]]]) -> Scene:
    """A segment with the weights and vectors of its lines."""
    if not lines:
        return Scene(segment, None)
    total = np.sum([weight * vector.astype(np.float64) for weight, vector in lines], axis=0)
    return Scene(segment, _direction(total))


def note(segments: Sequence[Segment], asked: frozenset[int]) -> str:
    """One line about an episode: the notes of its most important segments, in time order;
    where none has been noted, what was said or read in them. Empty where nothing was."""
    ranked = sorted(segments, key=lambda s: (-importance(s, s.index in asked), s.index))
    noted = [s for s in ranked if s.note is not None] or ranked
    chosen: list[tuple[int, str]] = []
    for segment in noted:
        text = segment.note.text if segment.note is not None else _words(segment)
        if text and text not in [other for _, other in chosen]:
            chosen.append((segment.index, text))
        if len(chosen) == _NOTES:
            break
    line = " · ".join(text for _, text in sorted(chosen))
    return line if len(line) <= _NOTE_LENGTH else line[: _NOTE_LENGTH - 1].rstrip() + "…"


def _words(segment: Segment) -> str:
    said = [o.text for o in segment.observations if isinstance(o, Utterance) and o.text]
    read = [o.text for o in segment.observations if isinstance(o, ScreenText) and o.text]
    return f"“{(said or read)[0]}”" if said or read else ""


def _direction(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return vector / max(float(np.linalg.norm(vector)), 1e-9)
