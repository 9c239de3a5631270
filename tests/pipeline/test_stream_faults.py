"""A live stream that is killed, paused, changed, damaged, lossy or unplugged is followed on."""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from models.media import AudioChunk, Break, Frame, Media
from pipeline.sources import StreamSource
from pipeline.sources.audio import SLACK, AudioConverter
from pipeline.sources.clock import StreamClock
from tests.pipeline.media import write_clip
from tests.pipeline.test_stream_source import Camera, RtspServer, until

SMALL, LARGE = (160, 96), (320, 240)


def clip(path: Path, size: tuple[int, int] = SMALL, seconds: float = 3.0, **more: object) -> Path:
    kind = "mpeg2video" if path.suffix == ".ts" else "libx264"
    return write_clip(path, seconds=seconds, size=size, codec=kind, **{"fps": 25, **more})  # type: ignore[arg-type]


def frames(media: list[Media]) -> list[Frame]:
    return [m for m in media if isinstance(m, Frame)]


def breaks(media: list[Media]) -> list[Break]:
    return [m for m in media if isinstance(m, Break)]


def in_order(media: list[Media]) -> bool:
    """Each kind by itself: sound may begin a little before a picture that was given first."""
    times = [m.time for m in media if isinstance(m, Frame | Break)]
    heard = [m.time for m in media if isinstance(m, AudioChunk)]
    return times == sorted(times) and heard == sorted(heard)


def watch(source: StreamSource, enough: Callable[[list[Media]], bool]) -> list[Media]:
    media: list[Media] = []
    for item in source:
        media.append(item)
        if enough(media):
            source.close()
    return media


@pytest.fixture
def server() -> Iterator[RtspServer]:
    pytest.importorskip("aio_rtsp_toolkit", reason="needs an RTSP server from requirements-test")
    with RtspServer() as running:
        yield running


def test_an_rtsp_server_that_is_killed_and_comes_back_with_another_size_is_followed(
    server: RtspServer, tmp_path: Path
) -> None:
    for folder, size in (("a", SMALL), ("b", LARGE)):
        (tmp_path / folder).mkdir()
        clip(tmp_path / folder / "door.mp4", size, seconds=10, fps=10)
    server.serve(tmp_path / "a")
    with StreamSource(f"{server.url}/door.mp4", first_wait=0.05) as source:

        def kill_then_restart(media: list[Media]) -> bool:
            if len(frames(media)) == 3 and not breaks(media) and server.running:
                server.kill()
                server.serve(tmp_path / "b")
            return frames(media)[-1:] != [] and frames(media)[-1].image.shape[1] == LARGE[0]

        media = watch(source, kill_then_restart)
    assert in_order(media)
    assert {f.image.shape[1] for f in frames(media)} == {SMALL[0], LARGE[0]}
    assert breaks(media) and all("the source was away" in b.reason for b in breaks(media))
    assert all(a.end == pytest.approx(b.time) for a, b in pairwise(breaks(media)))


def test_an_rtsp_server_that_is_paused_is_a_break_and_then_goes_on(
    server: RtspServer, tmp_path: Path
) -> None:
    clip(tmp_path / "door.mp4", seconds=10, fps=10)
    server.serve(tmp_path)
    resume = threading.Timer(4.0, lambda: server.signal(signal.SIGCONT))
    with StreamSource(f"{server.url}/door.mp4", first_wait=0.05, silence=1.0) as source:

        def pause(media: list[Media]) -> bool:
            if len(frames(media)) == 3 and not breaks(media) and not resume.is_alive():
                server.signal(signal.SIGSTOP)
                resume.start()
            return bool(breaks(media)) and isinstance(media[-1], Frame)

        media = watch(source, pause)
    resume.join(10)
    assert in_order(media)
    away = breaks(media)
    assert away[-1].end - away[0].time >= 1.0


def test_packets_lost_on_the_way_cost_pictures_and_nothing_else(tmp_path: Path) -> None:
    stream = clip(tmp_path / "a.ts", seconds=6).read_bytes()
    port = free_udp_port()
    lose = random.Random(5)
    sent = lost = 0
    ended = threading.Event()

    def send() -> None:
        nonlocal sent, lost
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not ended.is_set():  # again and again, as a camera does
                for start in range(0, len(stream), 1316):
                    sent += 1
                    if lose.random() < 0.05:
                        lost += 1
                    else:
                        out.sendto(stream[start : start + 1316], ("127.0.0.1", port))
                    if ended.wait(0.004):
                        return

    sender = threading.Thread(target=send)
    sender.start()
    try:
        with StreamSource(f"udp://127.0.0.1:{port}", first_wait=0.05) as source:
            media = watch(source, lambda media: len(frames(media)) >= 12)
    finally:
        ended.set()
        sender.join(10)
    assert lost > 0.02 * sent
    assert in_order(media) and not breaks(media)
    assert any(isinstance(m, AudioChunk) for m in media)


def test_damage_on_the_way_costs_pictures_and_nothing_else(tmp_path: Path) -> None:
    data = bytearray(clip(tmp_path / "a.ts", seconds=6).read_bytes())
    noise = random.Random(3)
    for place in range(len(data) // 3, len(data) // 2):
        if noise.random() < 0.02:
            data[place] = noise.randrange(256)
    (tmp_path / "a.ts").write_bytes(data)
    media = seen_of(tmp_path / "a.ts")
    assert in_order(media) and not breaks(media)
    times = [f.time for f in frames(media)]
    assert times[0] < 1.0 and times[-1] > 5.0


def test_an_encoder_that_starts_anew_within_the_stream_goes_on_on_the_same_clock(
    tmp_path: Path,
) -> None:
    """Its time stamps jump back to nothing, and its picture has another size."""
    first, second = clip(tmp_path / "a.ts"), clip(tmp_path / "b.ts", LARGE)
    (tmp_path / "both.ts").write_bytes(first.read_bytes() + second.read_bytes())
    media = seen_of(tmp_path / "both.ts")
    assert in_order(media) and not breaks(media)
    assert {f.image.shape[1] for f in frames(media)} == {SMALL[0], LARGE[0]}
    assert frames(media)[-1].time == pytest.approx(6.0, abs=0.6)


def test_time_stamps_that_wrap_go_on(tmp_path: Path) -> None:
    """MPEG counts 33 bits of a ninety-thousandth of a second: a wrap every 26.5 hours."""
    path = clip(tmp_path / "a.ts", seconds=6)
    late = tmp_path / "late.ts"
    with (
        av.open(str(path)) as whole,
        av.open(str(late), "w", options={"output_ts_offset": str(2**33 / 90_000 - 4.0)}) as out,
    ):
        streams = {s.index: out.add_stream_from_template(s) for s in whole.streams}
        for packet in whole.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    media = seen_of(late)
    assert in_order(media) and not breaks(media)
    assert frames(media)[-1].time == pytest.approx(6.0, abs=0.6)


def test_a_leap_ahead_of_a_live_stream_is_no_gap() -> None:
    clock = StreamClock(forward=10.0)
    times = [clock.place("video", raw, 0.04) for raw in (0.0, 0.04, 500.0, 500.04, 508.0)]
    assert times == pytest.approx([0.0, 0.04, 0.08, 0.12, 8.08])


def test_sound_that_vanishes_holds_no_picture_up(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.ts", seconds=8, audio_seconds=1.0)
    data = path.read_bytes()
    seen = threading.Event()
    held = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = held.accept()
        with connection:
            connection.sendall(data[: len(data) * 3 // 4])
            if seen.wait(20):  # what came is seen before any more comes
                connection.sendall(data[len(data) * 3 // 4 :])

    thread = threading.Thread(target=serve)
    thread.start()
    address = f"tcp://127.0.0.1:{held.getsockname()[1]}"
    try:
        with StreamSource(address, first_wait=0.05) as source:

            def enough(media: list[Media]) -> bool:
                if frames(media) and frames(media)[-1].time > 4.0:
                    seen.set()
                return bool(breaks(media)) or (frames(media)[-1:] and frames(media)[-1].time > 7.0)  # type: ignore[return-value]

            media = watch(source, enough)
    finally:
        seen.set()
        thread.join(30)
        held.close()
    assert not breaks(media) and in_order(media)


@pytest.mark.parametrize("speed", [0.995, 1.005])
def test_sound_that_drifts_stays_with_its_time_stamps_and_never_overlaps(speed: float) -> None:
    converter = AudioConverter()
    chunks: list[AudioChunk] = []
    for block in range(1875):  # a minute by its samples
        sound = av.AudioFrame.from_ndarray(
            np.zeros((1, 512), np.float32), format="fltp", layout="mono"
        )
        sound.sample_rate, sound.pts, sound.time_base = 16_000, block * 512, Fraction(1, 16_000)
        chunks += converter.convert(sound, block * 512 / 16_000 * speed)
    chunks += converter.flush()
    assert all(a.end <= b.time + 1e-6 for a, b in pairwise(chunks))
    assert chunks[-1].end == pytest.approx(60.0 * speed, abs=2 * SLACK + 0.2)


def test_a_camera_that_is_unplugged_and_plugged_in_again_is_a_break(tmp_path: Path) -> None:
    stream = clip(tmp_path / "a.ts").read_bytes()
    device = tmp_path / "video0"
    os.mkfifo(device)
    plugged_again = threading.Event()

    def camera() -> None:
        for again in (False, True):
            if again:
                time.sleep(0.3)  # gone for a while: whoever opens it meanwhile fails
                os.mkfifo(device)
                plugged_again.set()
            with device.open("wb") as out:
                out.write(stream)
                if not again:
                    device.unlink()

    thread = threading.Thread(target=camera)
    thread.start()
    with StreamSource(str(device), format="mpegts", first_wait=0.05) as source:
        media = until(source, 1)
        while not plugged_again.is_set():
            media += until(source, 1)
    thread.join(10)
    assert in_order(media)
    assert breaks(media) and "the source was away" in breaks(media)[0].reason
    assert frames(media)[-1].time >= breaks(media)[-1].end


def seen_of(path: Path) -> list[Media]:
    """All that a camera shows that sends ``path`` once and then hangs up."""
    camera = Camera(path)
    try:
        with StreamSource(camera.url, first_wait=0.05) as source:
            media: list[Media] = []
            for item in source:
                if isinstance(item, Break):
                    source.close()
                    break
                media.append(item)
            return media
    finally:
        camera.close()


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
