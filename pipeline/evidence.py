"""Renders memory's segments into the passages a reasoner reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from memory.segment import (
    Fixation,
    Gap,
    Look,
    Observation,
    ScreenText,
    SeenObject,
    Segment,
    Utterance,
)
from models.media import Frame
from models.reasoning.reasoner import Gazed, Line, Passage

MOVING = 0.2
"""Share of the picture that must move before it is worth a word."""


def line(observation: Observation, certain_above: float) -> Line | None:
    """One observation in words, or None for what needs no words (a cut, a still picture).

    Args:
        certain_above: confidence from which a label is taken as fact.
    """
    start, end = observation.time, observation.known_at
    match observation:
        case Utterance(text=text):
            return Line(start, end, "heard", text)
        case ScreenText(text=text):
            return Line(start, end, "read", text)
        case SeenObject(label=label, confidence=confidence):
            return Line(start, end, "seen", label, certain=confidence >= certain_above)
        case Fixation(target=target, x=x, y=y):
            where = target or f"a point {x:.0%} from the left and {y:.0%} from the top"
            return Line(start, end, "gaze", where)
        case Gap(reason=reason):
            return Line(start, end, "gap", reason)
        case Look(motion=motion, colours=colours, faces=faces, moving=moving):
            facts = list(moving)
            if faces:
                facts.append(f"{len(faces)} face{'s' if len(faces) > 1 else ''}")
            if motion >= MOVING:
                facts.append("much motion")
            if colours:
                facts.append("colours " + ", ".join(colours[:2]))
            return Line(start, end, "look", "; ".join(facts)) if facts else None
    return None


def passage(
    segment: Segment,
    certain_above: float,
    pictures: Sequence[Frame] = (),
    audio: NDArray[np.float32] | None = None,
) -> Passage:
    """A segment as a reasoner reads it, its lines in time order; repeated looks are said once.

    Args:
        certain_above: confidence from which a label is taken as fact.
        pictures: sampled pictures of the segment, for a reasoner that looks for itself.
        audio: its sound, mono at 16 kHz, for one that listens for itself.
    """
    lines: list[Line] = []
    said: set[tuple[str, str]] = set()
    for observation in sorted(segment.observations, key=lambda o: o.time):
        words = line(observation, certain_above)
        if words is None:
            continue
        key = (words.kind, words.text)
        if words.kind in {"look", "seen"} and key in said:
            continue
        said.add(key)
        lines.append(replace(words, source=segment.source))
    if segment.note is not None:
        note = segment.note.text
        lines.append(Line(segment.start, segment.end, "note", note, source=segment.source))
    return Passage(
        segment.start,
        segment.end,
        tuple(lines),
        segment.known_at,
        frames=tuple(picture.image for picture in pictures),
        frame_times=tuple(picture.time for picture in pictures),
        audio=audio,
        looks=tuple(
            Gazed(o.start, o.end, o.x, o.y, o.target)
            for o in sorted(segment.observations, key=lambda o: o.time)
            if isinstance(o, Fixation)
        ),
        source=segment.source,
    )
