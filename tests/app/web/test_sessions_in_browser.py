"""Earlier sessions in a real Chromium: a day of them on the timeline, asked about, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.web.room import Wanted
from tests.app.web.kept import EVERY, keep
from tests.app.web.site import SAMPLE, Site, serving, until
from tests.app.web.visit import Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

DAY, CLIP = "a" * 24, "b" * 24


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Site]:
    keep(tmp_path, DAY)
    keep(tmp_path, CLIP, Wanted("file", str(SAMPLE), "sample.mp4"), blocks=1)
    with serving(tmp_path) as served:
        yield served


def test_a_day_is_looked_through_from_far_and_near_and_asked_about(
    chromium: Any, home: Site
) -> None:
    tab = Visit(chromium.new_context(), home.url)
    rows = tab.page.locator("#kept li")
    rows.nth(1).wait_for()
    assert tab.barriers() == []
    rows.filter(has_text="shop camera").get_by_role("link", name="Ask about").click()
    tab.page.get_by_text("as it was seen").wait_for()
    tab.page.locator("#chat .bot", has_text="Three dollars.").wait_for()
    tab.page.locator("#pictures").wait_for()  # what memory kept stands for the camera
    (room,) = home.rooms.now
    assert (room.past, room.camera) == (True, None)

    for _ in range(5):
        tab.page.get_by_role("button", name="Zoom out").click()
    tab.page.locator("#strip .episode .mark").nth(11).wait_for()
    tab.page.locator("#strip .gap").nth(10).wait_for()
    assert tab.barriers() == []
    first = tab.page.locator("#cards li", has_text="Hour 4: Coffee")
    first.get_by_text("15 segments, 15 heard, 15 read").wait_for()
    tab.page.locator("#strip .episode .mark[title*='Hour 4']").click()
    tab.page.locator("#about", has_text="only what was known by then").wait_for()
    tab.page.wait_for_function("pictures.src.includes('at=14400')")
    first.get_by_role("button", name="Look closer").click()
    tab.page.locator("#cards li", has_text="SHELF 2").nth(5).wait_for()
    assert tab.page.locator("#cards li", has_text="SHELF 1").count() == 0

    tab.ask("What was it?")
    tab.answer(f"at {2 * EVERY + 150:.1f} s").wait_for()  # as of the end of the episode
    tab.page.context.close()
    assert tab.errors == []


def test_sessions_are_taken_home_and_deleted_by_who_had_them(chromium: Any, home: Site) -> None:
    tab = Visit(chromium.new_context(accept_downloads=True), home.url)
    row = tab.page.locator("#kept li", has_text="sample.mp4")
    with tab.page.expect_download() as download:
        row.get_by_role("link", name="Export").click()
    assert Path(download.value.path()).read_bytes().startswith(b"PK")
    row.get_by_role("link", name="Watch on").click()
    tab.until("window.onlooker?.figures().time > 0")
    (room,) = home.rooms.now
    assert (room.name, room.past) == (CLIP, False)
    assert CLIP in tab.page.evaluate("localStorage.getItem('onlooker.sessions')")

    tab.page.get_by_role("button", name="Watch something else").click()
    tab.page.once("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Delete").click()
    row.wait_for(state="detached")
    until(lambda: not home.rooms.shelf.holds(CLIP))
    assert home.rooms.shelf.holds(DAY)
    tab.page.context.close()
    assert tab.errors == []
