"""The page in a real Chromium, watching the sample clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.web.site import SAMPLE, Site, serving, until
from tests.app.web.visit import Visit

# Desktop notifications, kept where a test can see them.
NOTIFICATIONS = """
window.told = [];
window.Notification = class {
  static permission = "granted";
  constructor(title, { body }) { window.told.push(body); }
};
"""

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


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
    until(lambda: [room.name for room in site.rooms.now] == [first.session])
    assert first.errors == second.errors == []


def test_a_clip_can_be_uploaded_or_named_and_mistakes_are_told(
    visit, site: Site, tmp_path: Path
) -> None:
    tab = visit()
    tab.ask("Anything?")
    tab.page.get_by_text("nothing is being watched yet").first.wait_for()

    tab.page.get_by_role("tab", name="Path").click()
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


def test_what_is_waited_for_is_told_once_and_asked_about_by_its_moment(visit, site: Site) -> None:
    tab = visit(permissions=["notifications"])
    tab.page.add_init_script(NOTIFICATIONS)
    tab.page.reload()
    tab.watch_sample()
    tab.ask("tell me when you hear the word coffee")
    tab.page.locator("#questions li", has_text="coffee").wait_for()
    tab.page.evaluate("player.currentTime = 34")
    tab.until("onlooker.figures().time > 34")
    tab.page.locator("#firings li").wait_for()
    assert tab.page.locator("#firings q").all_text_contents() == [
        "Next comes a cup of coffee. In this cafe it costs three dollars."
    ]
    assert len(tab.page.evaluate("window.told")) == 1

    tab.page.get_by_role("button", name="Ask about this: 0:08").click()
    tab.page.locator("#about", has_text="only what was known by then").wait_for()
    tab.ask("What was that?")
    tab.answer("at 13.7 s").wait_for()
    assert tab.page.locator("#about").is_hidden()

    tab.page.reload()  # the address holds the session: it goes on, its conversation with it
    tab.page.locator("#chat .user", has_text="What was that?").wait_for()
    tab.page.locator("#firings li").wait_for()
    assert [room.name for room in site.rooms.now] == [tab.session]
    tab.page.get_by_role("button", name="Wait no longer").click()
    tab.page.locator("#questions li").wait_for(state="detached")
    assert tab.errors == []


def test_it_can_be_used_at_phone_width_in_the_dark_and_by_keyboard(visit, site: Site) -> None:
    tab = visit(viewport={"width": 390, "height": 844}, color_scheme="dark")
    tab.watch_sample(to=14)
    assert tab.barriers() == []
    wide = tab.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 390, "nothing lies beyond the edge"
    shade = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, shade.strip("rgb()").split(","))) < 60
    tab.page.evaluate("document.activeElement.blur()")
    tab.page.keyboard.press("/")
    tab.page.keyboard.type("Which pet?")
    tab.page.keyboard.press("Enter")
    tab.answer("Which pet?").wait_for()
    tab.page.evaluate("player.pause()")
    tab.page.locator("#strip").focus()
    tab.page.keyboard.press("-")
    tab.page.locator("#strip .tick", has_text="3:45.0").wait_for()  # of five minutes
    tab.page.keyboard.press("+")
    tab.page.locator("#strip .tick", has_text="3:45.0").wait_for(state="detached")
    tab.page.keyboard.press("ArrowLeft")
    tab.until("document.getElementById('follow').ariaPressed === 'false'")
    tab.page.keyboard.press("End")
    tab.until("document.getElementById('follow').ariaPressed === 'true'")
    assert tab.errors == []


def test_the_page_has_no_serious_barriers(visit, site: Site) -> None:
    tab = visit()
    found = [("start", tab.barriers())]
    tab.watch_sample(to=9)
    found.append(("watching", tab.barriers()))
    tab.ask("What is it?")
    tab.page.locator('#chat a[href^="#t="]').first.wait_for()
    found.append(("answered", tab.barriers()))
    assert found == [("start", []), ("watching", []), ("answered", [])]


def test_who_comes_to_a_full_house_waits_in_line_and_is_let_in(
    visit, chromium: Any, tmp_path: Path
) -> None:
    with serving(tmp_path, most=1) as site:
        first, second = visit(site.url), visit(site.url)
        first.watch_sample()
        second.page.get_by_role("button", name="Watch the sample").click()
        second.page.get_by_text("you are number 1 in line").wait_for()
        first.page.get_by_role("button", name="Watch something else").click()
        second.until("window.onlooker.figures().time > 0.3")
        assert [room.name for room in site.rooms.now] == [second.session]
        second.page.context.close()
