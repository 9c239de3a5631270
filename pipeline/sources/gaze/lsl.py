"""Gaze from Lab Streaming Layer, through pylsl where it is installed."""

from __future__ import annotations

import importlib
import time
from types import TracebackType
from typing import Any, Self

from models.media import GazeSample
from pipeline.sources.gaze.merged import Clock
from pipeline.sources.gaze.track import GazeError

X_LABELS = ("norm_pos_x", "gaze_x", "x")
Y_LABELS = ("norm_pos_y", "gaze_y", "y")
CONFIDENCE_LABELS = ("confidence",)
MOST = 4096
"""Samples taken at one time."""


class LslGaze:
    """The gaze stream of a tracker on the local network.

    Args:
        name: of the stream; by default the first stream of type ``Gaze``.
        channels: places of x, y and, if there are three, confidence. By default told by the
            channels' labels, else the first two.
        frame_size: width and height in pixels, where x and y are pixels and not normalised.
        flip: y is 0 at the bottom, as Pupil Labs' relay for Core sends it.
        wait: seconds to look for the stream.

    Raises:
        GazeError: pylsl is not installed; or, on entering, no such stream was found.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        channels: tuple[int, ...] | None = None,
        frame_size: tuple[int, int] | None = None,
        flip: bool = False,
        wait: float = 5.0,
    ) -> None:
        try:
            self._lsl: Any = importlib.import_module("pylsl")
        except (ImportError, RuntimeError) as error:  # without liblsl it raises the latter
            raise GazeError(
                "gaze from Lab Streaming Layer needs pylsl: pip install pylsl"
            ) from error
        self._name = name
        self._channels = channels
        self._size = frame_size or (1, 1)
        self._flip = flip
        self._wait = wait
        self._inlet: Any = None
        self._offset = 0.0

    def __enter__(self) -> Self:
        prop, value = ("type", "Gaze") if self._name is None else ("name", self._name)
        found = self._lsl.resolve_byprop(prop, value, 1, self._wait)
        if not found:
            raise GazeError(
                f"no Lab Streaming Layer stream with {prop} {value!r} was found in "
                f"{self._wait:g} s: start the tracker's relay, or name its stream"
            )
        # The library maps the sender's clock onto ours, and keeps times in order.
        flags = self._lsl.proc_clocksync | self._lsl.proc_monotonize
        self._inlet = self._lsl.StreamInlet(found[0], max_buflen=10, processing_flags=flags)
        try:
            self._inlet.open_stream(timeout=self._wait)
        except Exception as error:  # of pylsl, which has its own kinds
            raise GazeError(
                f"the stream with {prop} {value!r} cannot be opened: {error}"
            ) from error
        if self._channels is None:
            self._channels = _by_label(self._inlet.info(timeout=self._wait))
        self._offset = time.monotonic() - self._lsl.local_clock()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._inlet is not None:
            self._inlet.close_stream()

    def take(self, place: Clock) -> list[GazeSample]:
        if self._inlet is None or self._channels is None:
            return []
        rows, stamps = self._inlet.pull_chunk(timeout=0.0, max_samples=MOST)
        width, height = self._size
        found = []
        for row, stamp in zip(rows or (), stamps or (), strict=True):
            x, y = row[self._channels[0]] / width, row[self._channels[1]] / height
            sure = float(row[self._channels[2]]) if len(self._channels) > 2 else 1.0
            moment = place(stamp + self._offset)
            found.append(GazeSample(moment, x, 1 - y if self._flip else y, sure))
        return found


def _by_label(info: Any) -> tuple[int, ...]:
    labels: list[str] = []
    channel = info.desc().child("channels").child("channel")
    while not channel.empty() and len(labels) < info.channel_count():
        labels.append(channel.child_value("label").lower())
        channel = channel.next_sibling()
    places = [
        next((labels.index(name) for name in wanted if name in labels), None)
        for wanted in (X_LABELS, Y_LABELS, CONFIDENCE_LABELS)
    ]
    if places[0] is None or places[1] is None:
        return (0, 1)
    return tuple(place for place in places if place is not None)
