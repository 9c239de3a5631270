"""From an open container to media in stream-time order: what every FFmpeg source shares."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Any

import av

from models.media import AudioChunk, Frame
from pipeline.sources.audio import AudioConverter
from pipeline.sources.clock import FORWARD, StreamClock
from pipeline.sources.streams import aspect, frame_rate
from pipeline.sources.thinning import Thinning
from pipeline.sources.video import VideoConverter, upright_size

PATIENCE = 100
"""Packets of one stream that may fail in a row before the stream counts as broken."""

BEFORE_PICTURES = 1000
"""Packets that may come before the first picture of a stream that is said to have some."""

MAX_PIXELS = 8192 * 8192
"""A picture larger than this is taken for damage rather than decoded."""


class BrokenStream(Exception):
    """Reading failed for good; :attr:`time` is the stream time of the last good media."""

    def __init__(self, time: float, reason: str) -> None:
        super().__init__(reason)
        self.time = time
        self.reason = reason


class Decoder:
    """Decodes the chosen streams of an open container on one clock.

    Args:
        container: an input container of PyAV.
        video, audio: the streams to decode; either may be None.
        rate, longest_side: see :class:`VideoConverter`.
        start: stream time in seconds before which nothing is given.
        lateness: most seconds of stream time one kind is held back for the other.
        forward: see :class:`StreamClock`.
        thin: leave out of decoding what is not wanted, see :class:`Thinning`.
        skim: decode key frames alone, where ``thin`` is set.

    Attributes:
        skipped: damaged packets that were left out.
        time: stream time, in seconds, up to which media was decoded.
        clock: the stream clock.
        thinning: what says which packets are decoded, None where all are.
        size: width and height of the first picture, upright and not scaled down; None before.
    """

    def __init__(
        self,
        container: Any,
        video: Any,
        audio: Any,
        *,
        rate: float,
        longest_side: int,
        start: float = 0.0,
        lateness: float = 5.0,
        forward: float = FORWARD,
        thin: bool = False,
        skim: bool = False,
    ) -> None:
        self._container = container
        self._streams = [s for s in (video, audio) if s is not None]
        self._start = start
        self._lateness = lateness
        self._aspect = aspect(video)
        self._pictures = VideoConverter(rate, longest_side, self._aspect)
        self._interval = 1 / ((video is not None and frame_rate(video)) or 25.0)
        self._base = float((video is not None and video.time_base) or 0)
        self._sound = AudioConverter()
        self._failing = {s.index: 0 for s in self._streams}
        self._queues: dict[str, deque[Frame | AudioChunk]] = {
            s.type: deque() for s in self._streams
        }
        self._reached = {s.type: -math.inf for s in self._streams}
        self.clock = StreamClock(_origin(container, self._streams), forward)
        self.skipped = 0
        self.time = 0.0
        self.size: tuple[int, int] | None = None
        self._demuxed = self._packets()
        self._broken: BrokenStream | None = None
        for stream in self._streams:
            stream.thread_type = "AUTO"
            stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        self.thinning: Thinning | None = None
        if thin and video is not None:
            self.thinning = Thinning(video, rate, _origin(container, self._streams), skim)

    def __iter__(self) -> Iterator[Frame | AudioChunk]:
        """Frames and chunks in stream-time order.

        Raises:
            BrokenStream: after all that was good, where reading failed for good.
        """
        while self._advance():
            yield from self._ready()
        self._give(self._sound.flush())
        yield from self._ready(everything=True)
        broken = self._broken
        if broken is None and any(self._failing.values()):
            broken = BrokenStream(self.time, "the data after it cannot be decoded")
        if broken is not None:
            raise broken

    def begin(self) -> None:
        """Decode up to the first picture, so that its :attr:`size` is known. Iterating gives
        what came meanwhile, and tells what went wrong."""
        for _ in range(BEFORE_PICTURES):
            if self.size is not None or not self._advance():
                return

    def _advance(self) -> bool:
        """Decode a packet; False where there is none, or reading failed for good."""
        if self._broken is None:
            try:
                if (packet := next(self._demuxed, None)) is not None:
                    self._decode(packet)
                    return True
            except av.FFmpegError as error:
                self._broken = BrokenStream(self.time, error.strerror or str(error))
            except BrokenStream as error:
                self._broken = error
        return False

    def _packets(self) -> Iterator[Any]:
        while True:
            try:
                yield from self._container.demux(self._streams)
                return
            except IndexError:  # of a stream that turned up late, as damage makes them
                self.skipped += 1

    def _decode(self, packet: Any) -> None:
        stream = packet.stream
        thinning = self.thinning if stream.type == "video" else None
        if thinning is not None and not thinning.wants(packet):
            self._pass_over(packet)
            return
        try:
            frames = packet.decode()
            if packet.size and thinning is not None and thinning.key_frames:
                frames += _drained(stream.codec_context, packet.time_base)
        except (av.error.InvalidDataError, av.error.PatchWelcomeError, ValueError) as error:
            self.skipped += 1
            self._failing[stream.index] += 1
            if self._failing[stream.index] >= PATIENCE:
                raise BrokenStream(self.time, "the data after it cannot be decoded") from error
            return
        if frames and packet.dts is not None:
            self._failing[stream.index] = 0
        for frame in frames:
            if self.size is None and stream.type == "video":
                self.size = upright_size(frame, aspect=self._aspect)
            if stream.type == "video":
                self._take_picture(frame)
            else:
                self._take_sound(frame)

    def _pass_over(self, packet: Any) -> None:
        """Of a picture that is not decoded: no later one is earlier than this in decoding."""
        if packet.dts is not None:
            time = self.clock.place("video", packet.dts * self._base, self._interval)
            self._reached["video"] = max(self._reached["video"], time)
            self.time = max(self.time, time)

    def _take_picture(self, frame: Any) -> None:
        time = self.clock.place("video", frame.time, self._interval)
        self._reached["video"] = max(self._reached["video"], time)
        self.time = max(self.time, time)
        if time >= self._start and (picture := self._pictures.convert(frame, max(time, 0.0))):
            self._queues["video"].append(picture)

    def _take_sound(self, frame: Any) -> None:
        if not frame.sample_rate or not frame.samples:
            return
        time = self.clock.place("audio", frame.time, frame.samples / frame.sample_rate)
        self.time = max(self.time, time)
        if time >= self._start:
            self._give(self._sound.convert(frame, time))
        # What the converter still holds is earlier than the frame: wait for it.
        held = self._sound.begins
        self._reached["audio"] = max(self._reached["audio"], time if held is None else held)

    def _give(self, chunks: Iterator[AudioChunk]) -> None:
        for chunk in chunks:
            self._queues["audio"].append(chunk)

    def _ready(self, everything: bool = False) -> Iterator[Frame | AudioChunk]:
        """Queued media that nothing still to come can precede."""
        limit = math.inf
        if not everything:
            limit = max(min(self._reached.values()), self.time - self._lateness)
        while waiting := [q for q in self._queues.values() if q and q[0].time <= limit]:
            yield min(waiting, key=lambda q: q[0].time).popleft()


def _drained(codec: Any, time_base: Any) -> list[Any]:
    """Pictures that a decoder holds back for those between, which never come."""
    frames: list[Any] = codec.decode(None)
    for frame in frames:
        frame.time_base = time_base
    codec.flush_buffers()
    return frames


def _origin(container: Any, streams: list[Any]) -> float:
    if container.start_time is not None:
        return float(container.start_time) / 1_000_000
    starts = [float(s.start_time * s.time_base) for s in streams if s.start_time is not None]
    return min(starts, default=0.0)
