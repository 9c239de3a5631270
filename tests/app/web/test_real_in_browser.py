"""The embedded engine behind the page: the sample as a file, and before camera and microphone."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.engine import Engine
from tests.app.web.conftest import ARGUMENTS, CHROMIUM
from tests.app.web.site import SAMPLE, Site, serving
from tests.app.web.visit import Visit

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

WAIT = 90_000
START, END = 35.0, 45.0  # the sample's rocket: what is said is not written, nor the reverse
WIDTH, HEIGHT, RATE = 480, 270, 8


@pytest.fixture(scope="module")
def real_site(embedded: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("sessions"), engine=embedded) as served:
        yield served


def devices(folder: Path) -> tuple[Path, Path]:
    """The scene as what Chromium's fake camera and microphone play, over and over."""
    picture, sound = folder / "camera.y4m", folder / "microphone.wav"
    samples = []
    with av.open(str(SAMPLE)) as clip, picture.open("wb") as out:
        out.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        resampler = av.AudioResampler("s16", "mono", 48_000)
        due = START
        for frame in clip.decode(clip.streams.video[0], clip.streams.audio[0]):
            if not START <= frame.time < END:
                continue
            if isinstance(frame, av.AudioFrame):
                samples += [part.to_ndarray().reshape(-1) for part in resampler.resample(frame)]
            elif frame.time >= due:
                due += 1 / RATE
                small = frame.reformat(WIDTH, HEIGHT, "yuv420p").to_ndarray()
                out.write(b"FRAME\n" + small.tobytes())
    with wave.open(str(sound), "wb") as out:
        out.setparams((1, 2, 48_000, 0, "NONE", ""))
        out.writeframes(np.concatenate(samples).tobytes())
    return picture, sound


def asked(tab: Visit, question: str, answers: int) -> str:
    tab.ask(question)
    tab.page.locator('#chat .bot:has(a[href^="#t="])').nth(answers).wait_for(timeout=WAIT)
    return str(tab.page.locator("#chat .bot").last.text_content())


def test_the_sample_is_watched_and_asked_about(chromium: Any, real_site: Site) -> None:
    tab = Visit(chromium.new_context(), real_site.url)
    tab.page.set_default_timeout(WAIT)
    tab.watch_sample(to=9)
    told = asked(tab, "How many photographs does the film show?", 0)
    assert "five" in told.lower() or "5" in told.split("Evidence")[0]
    tab.page.get_by_role("button", name="Watch something else").click()
    tab.page.context.close()
    assert tab.errors == []


def test_camera_and_microphone_are_watched_and_asked_about(
    playwright: Any, real_site: Site, tmp_path: Path
) -> None:
    picture, sound = devices(tmp_path)
    browser = playwright.chromium.launch(
        executable_path=CHROMIUM,
        args=[
            *ARGUMENTS,
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-video-capture={picture}",
            f"--use-file-for-fake-audio-capture={sound}",
        ],
    )
    tab = Visit(browser.new_context(), real_site.url)
    tab.page.set_default_timeout(WAIT)
    tab.page.get_by_role("tab", name="Camera").click()
    tab.page.get_by_role("button", name="Watch my camera").click()
    cards = tab.page.locator("#cards")
    cards.get_by_text("Canaveral").first.wait_for()
    assert "Canaveral" in asked(tab, "Where does the rocket lift off?", 0)
    assert "2015" in asked(tab, "What is written on the picture?", 1)
    tab.page.get_by_role("button", name="Watch something else").click()
    browser.close()
    assert tab.errors == []
