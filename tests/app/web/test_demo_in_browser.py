"""The page in a real Chromium, watching the sample clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.web.site import SAMPLE, Site
from tests.app.web.visit import Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(90)]


@pytest.fixture
def visit(chromium: Any, site: Site) -> Iterator[Callable[..., Visit]]:
    contexts = []

    def open_tab(url: str = "", **options: Any) -> Visit:
        contexts.append(chromium.new_context(**options))
        return Visit(contexts[-1], url or site.url)

    yield open_tab
    site.gate.open()
    for context in contexts:
        context.close()
    for room in site.rooms.now:
        site.rooms.leave(room.name)


def test_answers_stream_in_while_the_sample_plays_on(visit, site: Site) -> None:
    tab = visit()
    tab.watch_sample(to=9)
    site.gate.close()
    tab.ask("What is on the card?")
    site.gate.let(2)
    tab.answer("You asked").wait_for()
    seen = site.rooms.now[0].session.status.time
    tab.until(f"onlooker.figures().time > {seen + 1}")  # it watches on, the answer half given
    assert "Evidence" not in tab.answer("You asked").text_content()
    site.gate.open()
    tab.page.locator('#chat a[href^="#t="]').first.wait_for()

    tab.ask("And then?")
    tab.page.locator("#chat .bot", has_text="And then?").wait_for()
    assert tab.page.locator("#chat .user").count() == 2

    before = tab.page.evaluate("player.currentTime")
    tab.page.locator('#chat a[href^="#t="]').first.click()  # evidence leads to its moment
    tab.until(f"player.currentTime < {before}")
    tab.page.locator("#strip .mark").first.click()  # and so does the timeline
    tab.page.locator("#cards .found").wait_for()
    assert tab.errors == []
    elsewhere = [url for url in tab.requests if not url.startswith((site.url, "data:", "blob:"))]
    assert elsewhere == []


def test_stopping_starting_again_and_two_tabs_at_once(visit, site: Site) -> None:
    first, second = visit(), visit()
    first.watch_sample()
    second.watch_sample()
    assert first.session != second.session
    assert len(site.rooms.now) == 2

    first.page.get_by_role("button", name="Stop watching").click()
    first.page.get_by_text("Stopped at").wait_for()
    first.ask("What was it?")
    first.answer("What was it?").wait_for()
    before = first.session
    assert not site.rooms.get(before).session.status.watching
    assert site.rooms.get(second.session).session.status.watching

    first.page.get_by_role("button", name="Start again").click()
    first.until(f"!location.search.includes('{before}') && location.search")
    first.until("onlooker.figures().time > 0.3")
    assert len(site.rooms.now) == 2

    second.page.get_by_role("button", name="Watch something else").click()
    second.page.get_by_role("button", name="Watch the sample").wait_for()
    assert [room.name for room in site.rooms.now] == [first.session]
    assert first.errors == second.errors == []


def test_a_clip_can_be_uploaded_or_named_and_mistakes_are_told(
    visit, site: Site, tmp_path: Path
) -> None:
    tab = visit()
    tab.ask("Anything?")
    tab.page.get_by_text("nothing is being watched yet").first.wait_for()

    tab.page.get_by_role("tab", name="Path or address").click()
    box = tab.page.get_by_label("A file on the server")
    box.fill(str(tmp_path / "missing.mp4"))
    tab.page.get_by_role("button", name="Watch it").click()
    tab.page.locator("#status .wrong", has_text="does not exist").wait_for()
    box.fill(str(SAMPLE))
    tab.page.get_by_role("button", name="Watch it").click()
    tab.until("!player.paused")
    tab.page.get_by_role("button", name="Watch something else").click()

    tab.page.get_by_role("tab", name="Upload").click()
    tab.page.locator("#chooser input[type=file]").set_input_files(SAMPLE)
    tab.until("!player.paused")
    (room,) = site.rooms.now
    assert room.file is not None
    assert room.file.parent.name == room.name
    assert tab.errors == []
