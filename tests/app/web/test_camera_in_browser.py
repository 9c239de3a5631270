"""A camera and a microphone in a real Chromium."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.web.room import Room
from pipeline.sources.browser import AWAY
from tests.app.web.site import Site, serving, until
from tests.app.web.visit import Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

PERIOD = 1.13  # seconds; no multiple of the time between two pictures

# A device that goes white and beeps at the same moment, for a third of each period.
FLASH_AND_BEEP = """
navigator.mediaDevices.getUserMedia = async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 320, height: 180 });
  const pen = canvas.getContext("2d");
  const context = new AudioContext();
  const tone = new OscillatorNode(context, { frequency: 1000 });
  const volume = new GainNode(context, { gain: 0 });
  const out = context.createMediaStreamDestination();
  tone.connect(volume).connect(out);
  tone.start();
  let on = false;
  setInterval(() => {
    on = performance.now() % 1130 < 380;
    volume.gain.value = on ? 0.5 : 0;
    pen.fillStyle = on ? "white" : "black";
    pen.fillRect(0, 0, 320, 180);
  }, 10);
  const stream = canvas.captureStream(30);
  stream.addTrack(out.stream.getAudioTracks()[0]);
  return stream;
};
"""


class Recorder:
    """What a room's camera was sent: onsets of white pictures and of beeps, in stream seconds."""

    def __init__(self, room: Room) -> None:
        self.pictures: list[tuple[float, float]] = []
        self.levels: list[tuple[float, float]] = []
        self.numbers: list[int] = []
        camera = room.camera
        assert camera is not None
        take_picture, take_sound = camera.take_picture, camera.take_sound

        def picture(time: float, data: bytes) -> None:
            shade = np.asarray(Image.open(io.BytesIO(data)).convert("L")).mean()
            self.pictures.append((time, float(shade)))
            take_picture(time, data)

        def sound(time: float, given: np.ndarray, rate: int) -> None:
            for at in range(0, len(given) - 240, 240):
                level = float(np.abs(given[at : at + 240].astype(np.float32)).mean())
                self.levels.append((time + at / rate, level))
            take_sound(time, given, rate)

        camera.take_picture, camera.take_sound = picture, sound  # type: ignore[method-assign]

    def disagreement(self) -> float:
        """Seconds by which white pictures are later than beeps on the whole."""
        beeps = [time for time, level in self.levels if level > 1000]
        whites = [time for time, shade in self.pictures if shade > 200]
        assert len(beeps) > 50
        assert len(whites) > 3
        turn = 2 * np.pi / PERIOD
        white, beep = (np.exp(1j * turn * np.array(times)).mean() for times in (whites, beeps))
        return float(np.angle(white / beep) / turn)


@pytest.fixture
def tab(chromium: Any, site: Site) -> Iterator[Visit]:
    context = chromium.new_context(permissions=["camera", "microphone"])
    context.add_init_script(FLASH_AND_BEEP)
    yield Visit(context, site.url)
    context.close()
    for room in site.rooms.now:
        site.rooms.leave(room.name)


def begin(tab: Visit, site: Site) -> tuple[Room, Recorder]:
    tab.page.get_by_role("tab", name="Camera").click()
    tab.page.get_by_role("button", name="Watch my camera").click()
    tab.until("window.onlooker?.figures().time > 0")
    (room,) = site.rooms.now
    return room, Recorder(room)


def test_picture_and_sound_line_up_and_a_dropped_connection_loses_no_sound(
    tab: Visit, site: Site
) -> None:
    room, recorder = begin(tab, site)
    tab.until("onlooker.figures().time > 5")
    assert abs(recorder.disagreement()) < 0.2

    now = room.session.status.time
    tab.page.context.set_offline(True)
    tab.page.locator("#status .busy", has_text="away").wait_for()
    tab.page.wait_for_timeout(1000)
    tab.page.context.set_offline(False)
    tab.until(f"onlooker.figures().time > {now + 3}")
    assert [each.name for each in site.rooms.now] == [room.name] == [tab.session]
    times = sorted(time for time, _ in recorder.levels)
    assert max(np.diff(times)) < 0.3, "sound is kept while the connection is away"
    tab.page.get_by_role("button", name="Stop watching").click()
    tab.page.get_by_text("Stopped at").wait_for()
    tab.ask("What was there?")
    tab.answer("What was there?").wait_for()
    assert tab.errors == []


def test_a_camera_that_is_unplugged_is_taken_up_again_and_the_gap_is_kept(
    tab: Visit, site: Site
) -> None:
    room, _ = begin(tab, site)
    tab.until("onlooker.figures().time > 1")
    tab.page.evaluate(
        """() => {
          const open = navigator.mediaDevices.getUserMedia;
          navigator.mediaDevices.getUserMedia = async () => {
            throw new DOMException("it is unplugged", "NotReadableError");
          };
          window.plug = () => (navigator.mediaDevices.getUserMedia = open);
          for (const track of player.srcObject.getTracks()) {
            track.stop();
            track.dispatchEvent(new Event("ended"));
          }
        }"""
    )
    tab.page.locator("#status .busy", has_text="The camera is away").wait_for()
    away = room.camera.now
    until(lambda: room.camera.now > away + AWAY)  # so long it must have been away to be a gap
    tab.page.evaluate("plug()")
    tab.page.get_by_text("The camera is back").wait_for()
    tab.until(f"onlooker.figures().time > {away + AWAY}")
    tab.page.get_by_role("button", name="Stop watching").click()
    tab.page.get_by_text("Stopped at").wait_for()
    (gap,) = [gap for gap in room.memory.gaps(0.0, 1e6) if gap.reason == "the camera was away"]
    assert gap.end - gap.start >= AWAY
    tab.page.locator("#strip .gap").first.wait_for()
    assert tab.errors == []


def test_a_question_can_be_spoken_while_a_key_is_held(tab: Visit, site: Site) -> None:
    tab.watch_sample(to=9)
    tab.page.evaluate("document.activeElement.blur()")
    tab.page.keyboard.down("t")
    tab.page.get_by_text("Listening").wait_for()
    tab.page.wait_for_timeout(900)
    tab.page.keyboard.up("t")
    tab.page.locator("#chat .user", has_text="five photographs").wait_for()
    tab.answer("You asked").wait_for()
    assert tab.errors == []


def test_a_session_goes_on_when_the_server_was_started_anew(chromium: Any, tmp_path: Path) -> None:
    context = chromium.new_context()
    context.add_init_script(FLASH_AND_BEEP)
    with serving(tmp_path) as site:
        port = int(site.url.rsplit(":", 1)[1])
        tab = Visit(context, site.url)
        room, _ = begin(tab, site)
        tab.until("onlooker.figures().time > 1.2")
        name = room.name
    with serving(tmp_path, port=port) as site:
        until(lambda: bool(site.rooms.now))
        (room,) = site.rooms.now
        assert room.name == name
        assert room.started_at > 1
        tab.until(f"onlooker.figures().time > {room.started_at + 1}")
        assert room.camera is not None
        assert tab.errors == []
        context.close()
