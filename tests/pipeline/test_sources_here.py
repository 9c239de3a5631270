"""Folders, lists of files, a pipe, and the devices of this machine."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.memory import Memory
from memory.segment import Gap
from models.media import SAMPLE_RATE, AudioChunk, Break, Frame, Media
from pipeline.session import Session
from pipeline.sources import FileSource, PipeSource, Source, SourceError, devices, open_source
from pipeline.sources.stream import StreamSource
from pipeline.sources.together import Together
from tests.pipeline.fakes import Scripted, engine, frames, hashed, silence
from tests.pipeline.media import write_clip


def all_of(source: Source) -> list[Media]:
    with source:
        return list(source)


def times(media: list[Media], kind: type = Frame) -> list[float]:
    return [m.time for m in media if isinstance(m, kind)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three clips that differ in size, rate, codec and sound, and what is no clip."""
    folder = tmp_path / "clips"
    folder.mkdir()
    write_clip(folder / "part 2.avi", seconds=2, size=(160, 96), codec="mpeg4")
    write_clip(folder / "part 10.mkv", seconds=2, size=(320, 240), fps=25, tone=None)
    write_clip(folder / "part 1.mp4", seconds=3, size=(96, 160), codec="mpeg2video", fps=25)
    (folder / "notes.txt").write_text("no clip")
    (folder / "cover.jpg").write_bytes(b"no clip either")
    return folder


def test_a_folder_is_one_stream_in_the_order_of_its_names(folder: Path) -> None:
    source = open_source(str(folder))
    media = all_of(source)
    assert source.properties.name == "clips" and not source.properties.live
    assert source.properties.duration == pytest.approx(7.0, abs=0.3)
    assert source.properties.remarks == ()
    shown = times(media)
    assert shown == sorted(shown) and shown[-1] == pytest.approx(6.75, abs=0.3)
    sizes = [(m.time, m.image.shape[:2]) for m in media if isinstance(m, Frame)]
    assert [s for t, s in sizes if t < 2.9] == [(160, 96)] * len([t for t, _ in sizes if t < 2.9])
    assert sizes[-1][1] == (240, 320)
    heard = sum(len(m.samples) for m in media if isinstance(m, AudioChunk)) / SAMPLE_RATE
    assert heard == pytest.approx(5.0, abs=0.3)


def test_one_that_cannot_be_read_leaves_a_gap_and_a_remark(folder: Path, tmp_path: Path) -> None:
    (folder / "part 2.avi").write_bytes(b"\x00" * 5000)
    with (
        Memory.open(None, hashed) as memory,
        Session(open_source(str(folder)), engine(), memory) as session,
    ):
        assert session.wait(60)
        assert session.status.error is None
        assert session.status.time == pytest.approx(5.0, abs=0.3)
        gaps = [o for s in memory.segments() for o in s.observations if isinstance(o, Gap)]
        assert len(gaps) == 1 and "part 2.avi was left out" in gaps[0].reason
        assert gaps[0].start == pytest.approx(3.0, abs=0.1)
        assert "part 2.avi" in session.properties.remarks[0]


def test_of_one_that_breaks_off_what_came_before_is_kept_and_the_rest_is_a_gap(
    folder: Path,
) -> None:
    whole = (folder / "part 10.mkv").read_bytes()
    (folder / "part 1.mp4").unlink()
    write_clip(folder / "part 1.mkv", seconds=8, size=(320, 240), fps=25)
    damaged = (folder / "part 1.mkv").read_bytes()
    (folder / "part 1.mkv").write_bytes(damaged[: len(damaged) // 2])
    media = all_of(open_source(str(folder)))
    away = next(m for m in media if isinstance(m, Break))
    assert 1.0 < away.time < away.end == pytest.approx(8.0, abs=0.2)
    assert times(media)[-1] == pytest.approx(11.75, abs=0.3) and whole
    assert all(not away.time < t < away.end for t in times(media))


def test_a_stream_of_files_can_be_entered_later_at_the_same_times(folder: Path) -> None:
    whole = times(all_of(open_source(str(folder))))
    rest = times(all_of(open_source(str(folder), start=3.6)))
    assert 3.6 <= rest[0] < 3.9
    # Of the file that is entered in its middle other frames may be picked; later files are whole.
    later = [t for t in whole if t > 5.2]
    assert rest[-len(later) :] == pytest.approx(later, abs=0.02)


@pytest.mark.parametrize("ending", ["m3u", "m3u8", "txt"])
def test_a_list_names_files_beside_it(folder: Path, ending: str) -> None:
    path = folder / f"today.{ending}"
    path.write_text("#EXTM3U\n#EXTINF:2,two\npart 2.avi\n\npart 10.mkv\ngone.mp4\n", "utf-8")
    source = open_source(str(path))
    media = all_of(source)
    assert times(media)[-1] == pytest.approx(3.75, abs=0.3)
    assert "gone.mp4 does not exist" in source.properties.remarks[0]
    assert isinstance(media[-1], Break)


def test_a_list_does_not_reach_out_to_the_network(folder: Path) -> None:
    path = folder / "today.m3u"
    path.write_text("http://127.0.0.1:9/clip.mp4\npart 2.avi\n", "utf-8")
    assert "clip.mp4 does not exist" in open_source_remarks(path)[0]


def open_source_remarks(path: Path) -> tuple[str, ...]:
    with open_source(str(path)) as source:
        return source.properties.remarks


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "names no file"), ("gone.mp4\n", "none of its 1 files can be read"), (None, "folder")],
)
def test_a_list_or_folder_of_nothing_says_so(tmp_path: Path, text: str | None, told: str) -> None:
    path = tmp_path / "list.txt"
    if text is not None:
        path.write_text(text, "utf-8")
    with (
        pytest.raises(SourceError, match=told),
        open_source(str(path if text is not None else tmp_path)),
    ):
        pass


# A pipe


class Pipe:
    """A pipe with somebody who writes into it."""

    def __init__(self) -> None:
        self.reading, self._writing = os.pipe()
        self._thread: threading.Thread | None = None

    def feed(self, data: bytes, done: threading.Event | None = None) -> None:
        """Write ``data``, and close, where ``done`` is given not before that."""

        def write() -> None:
            with contextlib.suppress(OSError), os.fdopen(self._writing, "wb") as end:
                end.write(data)
                end.flush()
                assert done is None or done.wait(60)

        self._thread = threading.Thread(target=write)
        self._thread.start()

    def close(self) -> None:
        os.close(self.reading)  # who still writes ends by that
        if self._thread is not None:
            self._thread.join(10)
            assert not self._thread.is_alive()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


def test_a_pipe_gives_what_the_file_would(tmp_path: Path, pipe: Pipe) -> None:
    clip = write_clip(tmp_path / "clip.mkv", seconds=3)
    pipe.feed(clip.read_bytes())
    source = PipeSource(descriptor=pipe.reading)
    media = all_of(source)
    assert not source.properties.live and source.properties.has_audio
    assert times(media) == times(all_of(FileSource(clip)))


def test_a_pipe_that_stays_open_is_left_at_once(tmp_path: Path, pipe: Pipe) -> None:
    clip = write_clip(tmp_path / "clip.ts", seconds=12, fps=25, codec="mpeg2video")
    done = threading.Event()
    pipe.feed(clip.read_bytes(), done)
    with (
        Memory.open(None, hashed) as memory,
        Session(PipeSource(descriptor=pipe.reading, live=True), engine(), memory) as session,
    ):
        assert session.properties.live
        session.close()
        assert session.status.error is None and not session.status.watching
    done.set()


@pytest.mark.parametrize(
    ("sent", "told"), [(b"", "nothing came"), (b"no media" * 900, "not media")]
)
def test_a_pipe_without_media_says_how_to_use_it(pipe: Pipe, sent: bytes, told: str) -> None:
    pipe.feed(sent)
    with (
        pytest.raises(SourceError, match=f"{told}.*ffmpeg -i INPUT"),
        PipeSource(descriptor=pipe.reading),
    ):
        pass


def test_a_pipe_that_is_cut_off_keeps_what_came(tmp_path: Path, pipe: Pipe) -> None:
    clip = write_clip(tmp_path / "clip.mkv", seconds=6, size=(320, 240), fps=25)
    data = clip.read_bytes()
    pipe.feed(data[: len(data) // 2])
    seen = []
    with PipeSource(descriptor=pipe.reading) as source:
        try:
            seen.extend(source)
        except SourceError as error:
            assert "what came before is kept" in str(error)
    assert times(seen)[-1] > 1.0


# Devices


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("camera:97", "camera:97 cannot be opened.*'python launch.py sources' lists"),
        ("mic:hw:97", "mic:hw:97 cannot be opened.*'python launch.py sources' lists"),
        ("screen:97", "screen:97 cannot be opened.*'python launch.py sources' lists"),
        ("mic:x+camera:0", "join a camera or a screen and a microphone"),
        ("camera:0+speaker:1", "join a camera or a screen and a microphone"),
        ("camera:97+mic:default", "camera:97 cannot be opened"),
    ],
)
def test_a_device_that_is_not_here_is_told(spec: str, told: str) -> None:
    with pytest.raises(SourceError, match=told), open_source(spec):
        pass


def test_a_screen_without_a_display_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(SourceError, match="DISPLAY is not set"):
        open_source("screen:")


@pytest.mark.parametrize(
    ("platform", "spec", "missing"),
    [
        ("win32", "screen:", "no gdigrab"),
        ("darwin", "camera:0", "no avfoundation"),
        ("win32", "mic:Line in", "no dshow"),
    ],
)
def test_a_build_that_lacks_a_device_says_which(
    monkeypatch: pytest.MonkeyPatch, platform: str, spec: str, missing: str
) -> None:
    monkeypatch.setattr(devices.sys, "platform", platform)
    with pytest.raises(SourceError, match=f"{missing}; pipe them in instead"):
        open_source(spec)


@pytest.mark.parametrize(
    ("format", "kind", "which", "address"),
    [
        ("v4l2", "camera", "", "/dev/video0"),
        ("v4l2", "camera", "2", "/dev/video2"),
        ("alsa", "mic", "", "default"),
        ("alsa", "mic", "hw:1,0", "hw:1,0"),
        ("x11grab", "screen", "1", ":1"),
        ("avfoundation", "camera", "0", "0:none"),
        ("avfoundation", "mic", "1", ":1"),
        ("avfoundation", "screen", "", "Capture screen 0:none"),
        ("dshow", "camera", "Integrated Camera", "video=Integrated Camera"),
        ("gdigrab", "screen", "", "desktop"),
    ],
)
def test_a_device_is_named_as_its_format_wants_it(
    format: str, kind: str, which: str, address: str
) -> None:
    assert devices._address(kind, which, format)[0] == address


def test_what_is_listed_can_be_given_back_as_a_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    listed = devices.devices()
    assert any(d.kind == "screen" and d.spec == "screen:" for d in listed)
    for device in listed:
        assert isinstance(open_source(device.spec), StreamSource)


def test_a_camera_and_a_microphone_are_one_stream_in_order() -> None:
    seen, heard = Scripted(frames(20), live=True), Scripted(silence(20), live=True)
    source = Together(seen, heard, "camera:0+mic:default")
    media = all_of(source)
    assert source.properties.name == "camera:0+mic:default" and source.properties.live
    assert source.properties.has_video and source.properties.has_audio
    assert [m.time for m in media] == sorted(m.time for m in media)
    assert len(times(media)) == 80 and len(times(media, AudioChunk)) == 100
    assert source.dropped == 0


def test_the_microphone_alone_goes_on_where_the_camera_breaks() -> None:
    broken = Scripted(frames(2), live=True, failing=SourceError("unplugged"))
    media = all_of(Together(broken, Scripted(silence(20), live=True), "both"))
    assert len(times(media)) == 8 and len(times(media, AudioChunk)) == 100


def test_where_both_break_it_says_why() -> None:
    sources = [Scripted(frames(2), live=True, failing=SourceError(f"gone {n}")) for n in "ab"]
    with Together(*sources, "both") as together, pytest.raises(SourceError, match="gone"):
        list(together)


# Credentials


def test_no_message_of_a_stream_holds_its_password(capfd: pytest.CaptureFixture[str]) -> None:
    for address in (
        "rtsp://user:s3cret@127.0.0.1:9/door?token=s3cret",
        "rtsp://user:s3c@s3cret@127.0.0.1:9/door",
        "rtsp://user:x/s3cret@127.0.0.1:9/door",
        "http://user:s3cret@127.0.0.1:9/live.m3u8?key=s3cret",
        "gopher://user:s3cret@127.0.0.1/",
    ):
        with pytest.raises(SourceError) as told, open_source(address):
            pass
        assert "s3cret" not in str(told.value) + repr(told.value.__cause__)
    out, err = capfd.readouterr()
    assert "s3cret" not in out + err
