"""How much a segment matters: what is kept longer, and what goes first among equals."""

from __future__ import annotations

from memory.segment import Fixation, SceneChange, ScreenText, Segment, Utterance

SPEECH, TEXT, GAZE, CHANGE, ASKED = 0.4, 0.2, 0.2, 0.2, 0.4


def importance(segment: Segment, asked: bool = False) -> float:
    """In [0, 1]: speech (by its share of the time), words read, a gaze that rested on
    something, a change of scene, and having been ``asked`` about.

    It rests on nothing that consolidation takes away, so it does not change by it.
    """
    spoken, read, looked, changed = 0.0, False, False, False
    for observation in segment.observations:
        match observation:
            case Utterance(start=start, end=end):
                spoken += max(0.0, end - start)
            case ScreenText():
                read = True
            case Fixation(target=target) if target:
                looked = True
            case SceneChange():
                changed = True
    share = min(1.0, spoken / max(segment.end - segment.start, 1e-9))
    parts = SPEECH * share + TEXT * read + GAZE * looked + CHANGE * changed + ASKED * asked
    return min(1.0, parts)
