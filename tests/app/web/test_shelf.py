"""Sessions on disk: listed, asked about, taken home, deleted, and forgotten in time."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from app.sessions import sessions
from app.web.room import Wanted
from app.web.rooms import Rooms
from app.web.shelf import Shelf
from tests.app.web.fakes import fake_engine
from tests.app.web.kept import EVERY, PART, keep
from tests.app.web.site import SAMPLE, serving, until
from tests.app.web.test_server import asked

DAY, CLIP, GONE = ("a" * 24, "b" * 24, "c" * 24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    keep(folder, DAY)
    keep(folder, CLIP, Wanted("file", str(SAMPLE), "sample.mp4"), blocks=1)
    keep(folder, GONE, Wanted("file", str(folder / "gone.mp4"), "gone.mp4"), blocks=1)
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[httpx.Client]:
    with serving(folder) as site, httpx.Client(base_url=site.url, timeout=45) as opened:
        yield opened


def test_who_sits_at_the_machine_sees_all_and_others_what_they_know_of(
    client: httpx.Client,
) -> None:
    told = client.post("/sessions/list", json={}).json()
    assert {each["id"] for each in told["sessions"]} == {DAY, CLIP, GONE}
    assert told["all"]
    elsewhere = {"X-Forwarded-For": "203.0.113.9"}
    ids = [CLIP, "d" * 24, "../" + CLIP]
    told = client.post("/sessions/list", json={"ids": ids}, headers=elsewhere).json()
    (clip,) = told["sessions"]
    assert (clip["id"], clip["name"], clip["questions"]) == (CLIP, "sample.mp4", 1)
    assert clip["end"] == 150.0
    assert not told["all"]
    assert client.post("/sessions/list", json={}, headers=elsewhere).json()["sessions"] == []


def test_a_session_is_asked_about_without_its_source(client: httpx.Client) -> None:
    for name in (DAY, GONE):
        client.post(f"/sessions/{name}/resume", params={"watch": name == GONE})
        figures = client.get(f"/sessions/{name}").json()
        assert (figures["past"], figures["playable"], figures["camera"]) == (True, False, False)
        until(lambda name=name: not client.get(f"/sessions/{name}").json()["watching"])
        done = asked(client, name, question="What does the coffee cost?")[-1][1]
        assert done["evidence"]
        before = client.get(f"/sessions/{name}/picture.jpg", params={"at": 20.0})
        assert before.content.startswith(b"\xff\xd8")
        assert float(before.headers["X-Stream-Time"]) == 20.0
        assert client.get(f"/sessions/{name}/media").status_code == 404
        client.delete(f"/sessions/{name}")


def test_a_session_on_disk_is_taken_home_with_its_pictures(client: httpx.Client) -> None:
    reply = client.get(f"/sessions/{CLIP}/export.zip")
    assert reply.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(reply.content)) as packed:
        names = packed.namelist()
        segments = [json.loads(line) for line in packed.read("segments.jsonl").splitlines()]
        turns = packed.read("turns.jsonl").decode()
        assert packed.read(segments[0]["thumbnail"]).startswith(b"\xff\xd8")
    assert {"segments.jsonl", "turns.jsonl", "timeline.jsonl"} <= set(names)
    assert len(segments) == PART
    assert "Three dollars." in turns
    assert client.get(f"/sessions/{'d' * 24}/export.zip").status_code == 404


def test_the_timeline_of_a_day_is_told_in_episodes_and_its_gaps_are_kept(
    client: httpx.Client,
) -> None:
    client.post(f"/sessions/{DAY}/resume", params={"watch": False})

    def timeline(**window: float) -> dict:
        return client.get(f"/sessions/{DAY}/timeline", params=window).json()

    far = timeline(start=0, end=86_400)
    assert far["level"] == 1
    assert far["count"] > 120
    assert len(far["episodes"]) >= 12
    assert sum(each["segments"] for each in far["episodes"]) >= 12 * PART
    assert "the shop opens" in far["episodes"][0]["note"]
    assert [day["start"] for day in far["days"]] == [0.0]
    assert [gap["end"] for gap in far["gaps"]] == [EVERY * k for k in range(1, 12)] + [86_400.0]
    assert len(far["segments"]) < PART  # only what is part of no episode yet
    near = timeline(start=EVERY + 1, end=EVERY + 60)
    assert near["level"] == 0
    assert all(each["end"] >= EVERY for each in near["segments"])
    assert len(near["segments"]) < 10
    assert [each["level"] for each in near["episodes"]] == [1]
    client.delete(f"/sessions/{DAY}")


def test_a_session_is_deleted_with_all_that_belongs_to_it(tmp_path: Path) -> None:
    keep(tmp_path, DAY, blocks=1)
    with serving(tmp_path) as site:
        assert httpx.delete(f"{site.url}/sessions/{DAY}?forget=true").status_code == 204
        assert list(tmp_path.iterdir()) == []


def test_what_was_not_used_for_so_many_days_is_forgotten_unless_it_is_open(tmp_path: Path) -> None:
    for name in (DAY, CLIP, GONE):
        keep(tmp_path, name, blocks=1)
    old = time.time() - 8 * 86_400
    for name in (DAY, CLIP):
        for file in (tmp_path / name).iterdir():
            os.utime(file, (old, old))
    with Rooms(fake_engine(), tmp_path, keep_days=7) as rooms:
        rooms.resume(CLIP, watch=False)
        rooms.sweep()
        assert {each.name for each in tmp_path.iterdir()} == {CLIP, GONE}
    assert Shelf(tmp_path).expire(7, ()) == []


def test_the_commands_know_the_sessions_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONLOOKER_HOME", str(tmp_path))
    keep(tmp_path / "sessions", CLIP, blocks=1)
    run = CliRunner().invoke
    (listed,) = json.loads(run(sessions, ["list", "--json"]).stdout)
    assert (listed["name"], listed["segments"]) == (CLIP, PART)
    assert run(sessions, ["export", CLIP, str(tmp_path / "out")]).exit_code == 0
    assert (tmp_path / "out" / "segments.jsonl").is_file()
    assert run(sessions, ["delete", CLIP, "--yes"]).exit_code == 0
    assert list((tmp_path / "sessions").iterdir()) == []


def test_kept_for_ever_is_the_default(tmp_path: Path) -> None:
    keep(tmp_path, DAY, blocks=1)
    for file in (tmp_path / DAY).iterdir():
        os.utime(file, (0, 0))
    with Rooms(fake_engine(), tmp_path) as rooms:
        rooms.sweep()
    assert Shelf(tmp_path).holds(DAY)
