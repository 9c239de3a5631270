"""How segments are written down: observations as JSON, tensors as safetensors.

Nothing is lost on the way: Python floats survive JSON exactly, features keep their
``float16`` bits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from memory.segment import (
    Fixation,
    Gap,
    Look,
    Note,
    Observation,
    SceneChange,
    ScreenText,
    SeenObject,
    Segment,
    Utterance,
    Word,
)

_KINDS: dict[str, type[Any]] = {
    "utterance": Utterance,
    "screen_text": ScreenText,
    "object": SeenObject,
    "scene_change": SceneChange,
    "look": Look,
    "fixation": Fixation,
    "gap": Gap,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}

NOTE_WEIGHT = 0.8
"""Weight of a note: it retells, so what was itself heard or read comes first."""


class DamageError(ValueError):
    """Stored bytes are not what was written; the message says what cannot be read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Words by which a segment can be found: one utterance, one text, one label.

    Attributes:
        position: of the observation in its segment; of the note, one past the last.
        text: the words.
        weight: how much a hit on them counts, above 0 and at most 1.
    """

    position: int
    text: str
    weight: float


def kind_of(observation: Observation) -> str:
    """The name an observation's type is stored under."""
    return _NAMES[type(observation)]


def text_of(observation: Observation) -> str:
    """The words of an observation, empty where it has none."""
    match observation:
        case Utterance(text=text) | ScreenText(text=text):
            return text.strip()
        case SeenObject(label=label):
            return label.strip()
        case Fixation(target=target):
            return target.strip()
        case Gap(reason=reason):
            return reason.strip()
        case _:
            return ""


def _weight(observation: Observation) -> float:
    match observation:
        case SeenObject(confidence=confidence):
            return max(0.05, 0.7 * min(confidence, 1.0))
        case Fixation():
            return 0.8
        case Gap():
            return 0.5
        case _:
            return 1.0


def entries(segment: Segment) -> list[Entry]:
    """What a segment can be found by, in the order of its observations.

    The same words of the same kind count once (a caption stands for many frames), unless
    they come back with clearly more confidence. Only earlier observations decide, so what
    is known later changes no earlier entry.
    """
    best: dict[tuple[str, str], float] = {}
    found = []
    for position, observation in enumerate(segment.observations):
        text = text_of(observation)
        if not text:
            continue
        key, weight = (kind_of(observation), text.casefold()), _weight(observation)
        if weight > 1.5 * best.get(key, 0.0):
            best[key] = weight
            found.append(Entry(position, text, weight))
    if segment.note is not None:
        found.append(Entry(len(segment.observations), segment.note.text, NOTE_WEIGHT))
    return found


def _plain(value: object) -> object:
    """JSON of NumPy scalars, which perception may hand over."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"an observation holds a {type(value).__name__}, which cannot be stored")


def fields_of(observation: Observation) -> dict[str, Any]:
    """An observation's fields by name, without pictures: those are kept apart."""
    fields = asdict(observation)
    fields.pop("crop", None)
    return fields


def encode_observation(observation: Observation) -> str:
    """An observation's fields as JSON, without pictures.

    Raises:
        TypeError: a field holds something other than plain values.
    """
    return json.dumps(fields_of(observation), default=_plain, separators=(",", ":"))


def decode_observation(kind: str, payload: str) -> Observation:
    """The observation that :func:`encode_observation` wrote.

    Raises:
        DamageError: an unknown kind, or fields that do not fit it.
    """
    try:
        fields = json.loads(payload)
        if fields.get("box") is not None:
            fields["box"] = tuple(fields["box"])
        if "words" in fields:
            fields["words"] = tuple(Word(**word) for word in fields["words"])
        if "colours" in fields:
            fields["colours"] = tuple(fields["colours"])
            fields["faces"] = tuple(tuple(face) for face in fields["faces"])
            fields["moving"] = tuple(fields.get("moving", ()))
        observation: Observation = _KINDS[kind](**fields)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DamageError(f"an observation of kind {kind!r} cannot be read") from error
    return observation


def decode_note(payload: str) -> Note:
    """The note that was stored as JSON. Raises DamageError."""
    try:
        return Note(**json.loads(payload))
    except (TypeError, ValueError) as error:
        raise DamageError("a note cannot be read") from error


def decode_numbers(payload: str) -> tuple[int, ...]:
    """The list of whole numbers that was stored as JSON. Raises DamageError."""
    try:
        return tuple(map(int, json.loads(payload)))
    except (TypeError, ValueError) as error:
        raise DamageError("a list of segments cannot be read") from error


def encode_vector(vector: NDArray[Any]) -> bytes:
    """An embedding ``(D,)`` as ``float16``."""
    return np.asarray(vector, dtype=np.float16).tobytes()


def shrink_vector(blob: bytes) -> bytes:
    """The same embedding in about half the bytes: signed bytes and their scale.

    No value changes its sign. What has been shrunk already is left as it is.
    """
    if len(blob) % 2:
        return blob
    vector = np.frombuffer(blob, dtype=np.float16).astype(np.float32)
    scale = np.float16(max(float(np.abs(vector).max()), 1e-6) / 127)
    least = np.maximum(np.rint(np.abs(vector) / np.float32(scale)), 1)
    small = (np.sign(vector) * np.minimum(least, 127)).astype(np.int8)
    # An odd length tells it from float16; the first byte says where the values begin.
    begin = 3 if len(vector) % 2 == 0 else 4
    return bytes([begin]) + scale.tobytes() + bytes(begin - 3) + small.tobytes()


def decode_vector(blob: bytes) -> NDArray[np.float16]:
    """The embedding ``(D,)`` that either of the two wrote. Raises DamageError."""
    if len(blob) % 2 == 0:
        return np.frombuffer(blob, dtype=np.float16)
    if blob[0] not in {3, 4}:
        raise DamageError("an embedding cannot be read")
    scale = np.frombuffer(blob[1:3], dtype=np.float16).astype(np.float32)
    values: NDArray[np.float16] = np.frombuffer(blob[blob[0] :], dtype=np.int8) * scale
    return values.astype(np.float16)


def encode_features(features: NDArray[np.float16], times: Sequence[float]) -> bytes:
    """Features ``(T, H, W, D)`` and their times as one safetensors blob."""
    tensors: dict[str, NDArray[Any]] = {
        "features": np.ascontiguousarray(features, dtype=np.float16),
        "times": np.asarray(times, dtype=np.float64),
    }
    return save(tensors)


def decode_features(blob: bytes) -> tuple[NDArray[np.float16], tuple[float, ...]]:
    """The features and times that :func:`encode_features` wrote. Raises DamageError."""
    try:
        tensors = load(blob)
        return tensors["features"], tuple(tensors["times"].tolist())
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DamageError("features cannot be read") from error
