"""Live streams are followed through their faults, on one clock, and say when they were away."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from models.media import AudioChunk, Break, Frame, Media
from pipeline.sources import SourceError, StreamSource, open_source
from pipeline.sources.stream import without_credentials
from tests.pipeline.media import write_clip


class Camera:
    """A network camera: serves each of ``clips`` to one connection, and hangs up after it."""

    def __init__(self, *clips: Path) -> None:
        self._clips = clips
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(10)
        self.url = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for clip in self._clips:
            try:
                connection, _ = self._server.accept()
            except TimeoutError:
                return
            with connection:
                connection.sendall(clip.read_bytes())
        self._server.close()

    def close(self) -> None:
        self._server.close()
        self._thread.join(15)


def until(source: StreamSource, enough: int) -> list[Media]:
    """Media until the stream has been away ``enough`` times and shown a picture after it."""
    media: list[Media] = []
    away = 0
    for item in source:
        media.append(item)
        away += isinstance(item, Break)
        if away >= enough and isinstance(item, Frame):
            source.close()
    return media


def test_a_stream_that_comes_back_with_another_size_goes_on_on_the_same_clock(
    tmp_path: Path,
) -> None:
    first = write_clip(tmp_path / "a.ts", seconds=3, size=(160, 96), codec="mpeg2video", fps=25)
    second = write_clip(tmp_path / "b.ts", seconds=3, size=(320, 240), codec="mpeg2video", fps=25)
    camera = Camera(first, second)
    try:
        with StreamSource(camera.url, first_wait=0.05) as source:
            assert source.properties.live and source.properties.width == 160
            media = until(source, 1)
            assert source.reconnects == 1
    finally:
        camera.close()
    times = [m.time for m in media if isinstance(m, Frame | Break)]
    assert times == sorted(times)
    sizes = [m.image.shape[1] for m in media if isinstance(m, Frame)]
    assert sizes[0] == 160 and sizes[-1] == 320
    away = next(m for m in media if isinstance(m, Break))
    assert "ended" in away.reason or "broke" in away.reason
    before = [m for m in media[: media.index(away)] if isinstance(m, AudioChunk | Frame)]
    assert away.time >= max(m.time for m in before)
    assert next(m for m in media if m.time >= away.end and isinstance(m, Frame))


def test_one_that_is_not_there_says_so_and_names_no_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    source = StreamSource(f"rtsp://user:secret@127.0.0.1:{port}/door?token=abc")
    with pytest.raises(SourceError) as told, source:
        pass
    assert f"rtsp://127.0.0.1:{port}/door cannot be opened" in str(told.value)
    assert "secret" not in repr(told.value.__cause__) + str(told.value)
    assert "abc" not in str(told.value)


def test_what_is_not_media_is_refused() -> None:
    text = Path(__file__)
    camera = Camera(text)
    try:
        with pytest.raises(SourceError, match="cannot be opened"), StreamSource(camera.url):
            pass
    finally:
        camera.close()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://a:b@host/x", "rtsp://host/x"),
        ("rtsp://host/x?user=a&password=b", "rtsp://host/x"),
        ("https://host/live.m3u8", "https://host/live.m3u8"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert without_credentials(address) == shown


def test_an_address_of_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(SourceError, match=r"gopher:// is no kind.*rtsp://"):
        open_source("gopher://host/x")


class RtspServer:
    """A real RTSP server on loopback, always at the same address."""

    def __init__(self) -> None:
        self._ports = []
        for _ in range(2):
            with socket.create_server(("127.0.0.1", 0)) as free:
                self._ports.append(free.getsockname()[1])
        self.url = f"rtsp://127.0.0.1:{self._ports[0]}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RtspServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def running(self) -> bool:
        return self._process is not None

    def serve(self, folder: Path) -> None:
        """Publish the files of ``folder``; returns once it answers."""
        listen, control = map(str, self._ports)
        command = [
            str(Path(sys.executable).parent / "rtsp-server"),
            *("-d", str(folder), "-H", "127.0.0.1", "-p", listen, "-cp", control),
        ]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self._ports[0]), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError("the RTSP server did not start")

    def signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


def test_pictures_and_sound_come_over_rtsp(sample: Path) -> None:
    pytest.importorskip("aio_rtsp_toolkit", reason="needs an RTSP server from requirements-test")
    frames, heard = [], 0.0
    with RtspServer() as server:
        server.serve(sample.parent)
        with StreamSource(f"{server.url}/{sample.name}") as source:
            assert source.properties.live
            assert (source.properties.width, source.properties.height) == (640, 360)
            for media in source:
                if isinstance(media, Frame):
                    frames.append(media)
                elif isinstance(media, AudioChunk):
                    heard += len(media.samples) / 16_000
                if len(frames) >= 6 and heard >= 1.0:
                    source.close()
    times = [frame.time for frame in frames]
    assert times == sorted(times) and times[-1] - times[0] >= 1.0
    assert all(np.ptp(frame.image) > 50 for frame in frames)  # the title card, not grey
