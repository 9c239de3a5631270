"""Looking with the mouse, and with an eye tracker's file, in a real Chromium."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from models.media import GazeSample
from tests.app.web.site import SAMPLE, Site, until
from tests.app.web.test_camera_in_browser import FLASH_AND_BEEP
from tests.app.web.visit import Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

# Whether the overlay shows the colour of gaze near a place of the picture, in parts of its size.
DRAWN = """([x, y]) => {
  const { width, height } = overlay;
  const data = overlay.getContext("2d").getImageData(x * width - 40, y * height - 40, 80, 80).data;
  for (let i = 0; i < data.length; i += 4)
    if (data[i] > 220 && data[i + 1] < 150 && data[i + 2] > 150 && data[i + 3] > 200) return true;
  return false;
}"""


@pytest.fixture
def visit(chromium: Any, site: Site) -> Iterator[Callable[..., Visit]]:
    contexts = []

    def open_tab(**options: Any) -> Visit:
        contexts.append(chromium.new_context(**options))
        return Visit(contexts[-1], site.url)

    yield open_tab
    for context in contexts:
        context.close()
    for room in site.rooms.now:
        site.rooms.leave(room.name)


def watch_samples(site: Site) -> list[GazeSample]:
    """What the only room is sent from now on."""
    (room,) = site.rooms.now
    sent: list[GazeSample] = []
    looked = room.looked

    def take(sender: str, number: int, samples: list[GazeSample]) -> int:
        sent.extend(samples)
        return looked(sender, number, samples)

    room.looked = take  # type: ignore[method-assign]
    return sent


def test_the_mouse_over_the_picture_is_gaze_that_can_be_asked_about(visit, site: Site) -> None:
    tab = visit(viewport={"width": 1280, "height": 900})
    page = tab.page
    tab.watch_sample(to=8)
    tab.ask("tell me when I look at a cat")
    page.locator("#questions li", has_text="look at a cat").wait_for()
    sent = watch_samples(site)
    switch = page.get_by_role("switch", name="Look with your mouse")
    assert not switch.is_checked()
    box = page.locator("#screen").bounding_box()

    def point(x: float, y: float) -> tuple[float, float]:
        """Of the picture, which is as wide for its height as the sample, within its frame."""
        wide, high = (
            min(box["width"], box["height"] * 16 / 9),
            min(box["height"], box["width"] * 9 / 16),
        )
        left = box["x"] + (box["width"] - wide) / 2
        return left + x * wide, box["y"] + (box["height"] - high) / 2 + y * high

    page.mouse.move(*point(0.25, 0.4))
    switch.focus()
    page.keyboard.press("Space")
    assert switch.is_checked()
    assert page.locator("#lookhow").is_visible()
    page.mouse.move(*point(0.3, 0.4))
    page.locator("#gazes button").first.wait_for()
    tab.page.wait_for_function(DRAWN, arg=[0.3, 0.4])

    page.mouse.down()  # a held button is a look at that point, and does not pause the player
    page.mouse.move(*point(0.315, 0.41))
    started = page.evaluate("player.currentTime")
    tab.until(f"player.currentTime > {started + 0.5}")
    page.mouse.up()
    assert not page.evaluate("player.paused")
    held = [s for s in sent if s.time > started]
    assert {(round(s.x, 2), round(s.y, 2)) for s in held} == {(0.3, 0.4)}
    assert [s.time for s in sent] == sorted(s.time for s in sent)
    assert sent[-1].time <= page.evaluate("player.currentTime")

    page.mouse.move(2, 2)  # away from the picture: nothing is looked at
    until(lambda: math.isnan(sent[-1].x))

    mark = page.locator("#gazes button").first
    assert "cat" in mark.get_attribute("aria-label")
    mark.focus()
    assert "cat" in page.locator("#gazed").text_content()
    tab.ask("What did I look at?")
    tab.answer("Cat").wait_for()
    page.evaluate("player.currentTime = 20")
    page.locator("#firings li", has_text="look at a cat").wait_for()
    assert tab.barriers() == []

    now = page.evaluate("player.currentTime")
    mark.click()
    tab.until(f"player.currentTime < {now - 0.5}")
    assert tab.errors == []


def test_before_a_camera_looks_are_on_its_clock_and_beside_the_picture_is_no_look(
    visit, site: Site
) -> None:
    tab = visit()
    narrow = FLASH_AND_BEEP.replace("width: 320, height: 180", "width: 240, height: 180")
    tab.page.add_init_script(narrow)
    tab.page.reload()
    tab.page.get_by_role("tab", name="Camera").click()
    tab.page.get_by_role("button", name="Watch my camera").click()
    tab.until("window.onlooker?.figures().time > 0.5")
    sent = watch_samples(site)
    (room,) = site.rooms.now
    tab.page.get_by_role("switch", name="Look with your mouse").check()
    box = tab.page.locator("#screen").bounding_box()
    high = box["height"]
    wide, middle = high * 4 / 3, box["x"] + box["width"] / 2
    tab.page.mouse.move(middle - wide / 4, box["y"] + high / 4)
    until(lambda: len(sent) > 30)  # about a second
    assert room.camera is not None
    assert (round(sent[-1].x, 2), round(sent[-1].y, 2)) == (0.25, 0.25)
    assert abs(room.camera.now - sent[-1].time) < 5  # what it was sent is late, on a busy machine
    tab.page.mouse.move(middle - wide / 2 - 4, box["y"] + high / 4)
    until(lambda: math.isnan(sent[-1].x))
    tab.page.locator("#gazes button").first.wait_for()
    assert tab.errors == []


def test_a_clip_that_only_the_server_can_play_is_looked_at_by_its_pictures(
    visit, site: Site, tmp_path: Path
) -> None:
    clip = tmp_path / "old.avi"
    with av.open(str(clip), "w") as out:
        stream = out.add_stream("mpeg4", rate=8)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for shade in range(8 * 40):
            image = np.full((180, 320, 3), shade % 250, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        out.mux(stream.encode())
    tab = visit()
    tab.page.get_by_role("tab", name="Path").click()
    tab.page.get_by_label("A file on the server").fill(str(clip))
    tab.page.get_by_role("button", name="Watch it").click()
    tab.until("document.getElementById('pictures').naturalWidth === 320")
    sent = watch_samples(site)
    (room,) = site.rooms.now
    tab.page.get_by_role("switch", name="Look with your mouse").check()
    tab.page.locator("#screen").hover()
    tab.page.locator("#gazes button").first.wait_for()
    assert room.picture()[0] - 5 < sent[-1].time < room.picture()[0] + 1
    assert tab.errors == []


def test_a_lost_reply_does_not_count_a_look_twice(visit, site: Site) -> None:
    tab = visit()
    tab.watch_sample()
    numbers: list[int] = []

    def lose(route: Any) -> None:
        numbers.append(route.request.post_data_json["number"])
        if len(numbers) > 1:
            route.continue_()
            return
        route.fetch()
        route.abort()

    tab.page.route("**/gaze", lose)
    (room,) = site.rooms.now
    taken: list[tuple[int, list[float]]] = []
    looked = room.looked

    def take(sender: str, number: int, samples: list[GazeSample]) -> int:
        taken.append((number, [sample.time for sample in samples]))
        return looked(sender, number, samples)

    room.looked = take
    tab.page.get_by_role("switch", name="Look with your mouse").check()
    with tab.page.expect_response(lambda reply: numbers[-1:] == [1]):
        tab.page.locator("#screen").hover()
    assert numbers == [0, 0, 1]
    assert [number for number, _ in taken] == numbers
    assert taken[0] == taken[1]  # the same batch, which the server takes once
    assert tab.errors == []
    tab.page.unroute_all(behavior="ignoreErrors")  # one may be on its way


def test_a_trackers_file_beside_a_clip(visit, site: Site, tmp_path: Path) -> None:
    wrong, gaze = tmp_path / "wrong.csv", tmp_path / "gaze.csv"
    wrong.write_text("a,b\n1,2\n")
    gaze.write_text("t,x,y\n" + "".join(f"{i / 100},0.7,0.3\n" for i in range(3000)))
    tab = visit()
    tab.page.get_by_role("tab", name="Upload").click()
    tab.page.get_by_text("Gaze with it").click()
    clip = tab.page.locator("#clip input[type=file]")
    file = tab.page.locator("#gazefile input[type=file]")
    file.set_input_files(wrong)
    tab.page.locator("#gazefile", has_text="wrong.csv").wait_for()
    clip.set_input_files(SAMPLE)
    tab.page.locator("#status .wrong", has_text="wrong.csv has no column for the time").wait_for()
    assert site.rooms.now == []

    tab.page.locator("#gazefile").get_by_label("Clear").click()
    tab.page.locator("#gazefile", has_text="wrong.csv").wait_for(state="hidden")
    file.set_input_files(gaze)
    tab.page.locator("#gazefile", has_text="gaze.csv").wait_for()
    tab.page.locator("#clip").get_by_label("Clear").click()
    clip.set_input_files(SAMPLE)
    tab.page.locator("#gazes button").first.wait_for()
    assert not tab.page.locator("#look").is_visible()  # the file says where somebody looked
    tab.page.wait_for_function(DRAWN, arg=[0.7, 0.3])
    tab.ask("What am I looking at?")
    tab.answer("cat").wait_for()
    (room,) = site.rooms.now
    address = f"{site.url}/sessions/{room.name}/gaze"
    for sample, refused in ([1.0, 0.5, 0.5], 400), ([1.0, 1.5, 0.5], 422):
        look = {"sender": "a tab", "number": 0, "samples": [sample]}
        assert tab.page.request.post(address, data=look).status == refused
    folder = Path(room.wanted.gaze).parent.parent
    assert folder.name == room.name
    assert tab.errors == []
