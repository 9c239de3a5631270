"""Gaze over UDP: JSON lines, one sample each."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
from collections import deque
from types import TracebackType
from typing import Self

from models.media import GazeSample
from pipeline.sources.gaze.merged import Clock, LeastDelay
from pipeline.sources.gaze.track import GazeError

HELD = 4096
"""Samples held until they are taken; the oldest are dropped beyond."""

POLL = 0.2
"""Longest wait for a datagram, in seconds: how soon leaving is noticed."""


class UdpGaze:
    """Listens for lines such as ``{"t": 12.345, "x": 0.5, "y": 0.4, "confidence": 0.9}``.

    ``t`` is in seconds on any steady clock; it is mapped by the least delayed samples.
    Without it a sample is taken for when it arrives. A null or missing position is a lost
    eye. A datagram may hold several lines.

    Args:
        port: to listen at; 0 picks a free one (see :attr:`port`).
        host: address to listen at; ``"0.0.0.0"`` takes samples from other machines.
        frame_size: width and height in pixels, where x and y are pixels and not normalised.

    Attributes:
        received, refused, dropped: samples taken in, lines that were none, and samples that
            were never taken in time.

    Raises:
        GazeError: on entering, where the port cannot be had.
    """

    def __init__(
        self, port: int, host: str = "127.0.0.1", *, frame_size: tuple[int, int] | None = None
    ) -> None:
        self._address = (host, port)
        self._size = frame_size or (1, 1)
        self._clock = LeastDelay()
        self._samples: deque[tuple[float, GazeSample]] = deque()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, name="gaze", daemon=True)
        self.received = self.refused = self.dropped = 0

    def __enter__(self) -> Self:
        host, port = self._address
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            listening.bind(self._address)
        except OSError as error:
            listening.close()
            raise GazeError(
                f"cannot listen for gaze at UDP {host}:{port}: {error.strerror or error}"
            ) from error
        listening.settimeout(POLL)
        self._socket = listening
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(10 * POLL)
        if self._socket is not None:
            self._socket.close()

    @property
    def port(self) -> int:
        """Where it listens, once entered."""
        return self._address[1] if self._socket is None else int(self._socket.getsockname()[1])

    def take(self, place: Clock) -> list[GazeSample]:
        with self._lock:
            taken, self._samples = self._samples, deque()
            offset = self._clock.offset
        found = []
        for arrived, sample in taken:
            moment = arrived if math.isnan(sample.time) else sample.time - offset
            found.append(GazeSample(place(moment), sample.x, sample.y, sample.confidence))
        return sorted(found, key=lambda sample: sample.time)

    def _run(self) -> None:
        assert self._socket is not None
        while not self._closed.is_set():
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            arrived = time.monotonic()
            for line in data.splitlines():
                if line.strip():
                    self._hear(line, arrived)

    def _hear(self, line: bytes, arrived: float) -> None:
        sample = parse(line, self._size)
        with self._lock:
            if sample is None:
                self.refused += 1
                return
            self.received += 1
            if not math.isnan(sample.time):
                self._clock.learn(sample.time, arrived)
            self._samples.append((arrived, sample))
            if len(self._samples) > HELD:
                self._samples.popleft()
                self.dropped += 1


def parse(line: bytes, size: tuple[int, int] = (1, 1)) -> GazeSample | None:
    """One line as a sample, its time NaN where it has none; None where it is no sample."""
    try:
        said = json.loads(line)
        t, x, y = (said.get(name) for name in ("t", "x", "y"))
        return GazeSample(
            math.nan if t is None else float(t),
            math.nan if x is None else float(x) / size[0],
            math.nan if y is None else float(y) / size[1],
            float(said.get("confidence", 1.0)),
        )
    except (AttributeError, TypeError, ValueError):
        return None
