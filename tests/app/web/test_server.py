"""Onlooker over HTTP, on a fake engine."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

import app.server
from app.web.guard import Rules
from tests.app.web.fakes import fake_engine
from tests.app.web.site import SAMPLE, Site, serving, until
from tests.pipeline.test_browser_source import jpeg, tone


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.url, timeout=45) as opened:
        yield opened


@pytest.fixture(scope="module")
def session(client: httpx.Client) -> Iterator[str]:
    """A session that has watched the first half of the sample, and waits there."""
    began = client.post("/sessions", json={"source": "sample"})
    assert began.status_code == 201
    name = began.json()["id"]
    client.post(f"/sessions/{name}/playhead", json={"position": 32, "playing": False})
    until(lambda: client.get(f"/sessions/{name}").json()["time"] > 31)
    yield name
    client.delete(f"/sessions/{name}")


def messages(reply: httpx.Response) -> Iterator[tuple[str, dict]]:
    """Server-sent events: their kind and data."""
    kind = ""
    for line in reply.iter_lines():
        if line.startswith("event: "):
            kind = line[7:]
        elif line.startswith("data: "):
            yield kind, json.loads(line[6:])


def asked(client: httpx.Client, session: str, **question: object) -> list[tuple[str, dict]]:
    with client.stream("POST", f"/sessions/{session}/ask", json=question) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        return list(messages(reply))


def test_health_readiness_and_metrics(client: httpx.Client, session: str):
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json()["free"] == 3
    asked(client, session, question="What now?")
    told = client.get("/metrics").text
    assert "onlooker_sessions 1.0" in told
    assert re.search(r'onlooker_questions_total\{outcome="answered"\} [1-9]', told)
    assert re.search(r"onlooker_first_token_seconds_count [1-9]", told)
    assert re.search(r"onlooker_memory_bytes \d", told)
    assert session not in told, "whoever reads the metrics must not be able to enter a session"


def test_an_answer_comes_in_pieces_then_whole_with_evidence_and_cost(
    client: httpx.Client, session: str
):
    told = asked(client, session, question="What is it?", at=20)
    kinds = [kind for kind, _ in told]
    assert kinds[-1] == "done"
    assert kinds.count("piece") > 3
    done = told[-1][1]
    assert done["answer"] == "".join(data["text"] for kind, data in told if kind == "piece")
    assert "at 20.0 s" in done["answer"]
    assert done["evidence"]
    assert all(passage["end"] <= 20 for passage in done["evidence"])
    assert done["counts"]["generated"] > 3
    assert done["timings"]["total"] >= done["timings"]["first_token"] > 0
    figures = client.get(f"/sessions/{session}").json()
    assert figures["last_answer"]["generated"] == done["counts"]["generated"]


def test_options_are_chosen_from_by_letter(client: httpx.Client, session: str):
    done = asked(client, session, question="Which?", options=["a dog", "a cat"])[-1][1]
    assert done["choice"] == "A"
    assert done["probabilities"] == {"A": 0.5, "B": 0.5}
    refused = client.post(f"/sessions/{session}/ask", json={"question": "?", "options": ["a"]})
    assert refused.status_code == 400


def test_an_answer_ends_when_it_is_hushed_or_nobody_listens(
    client: httpx.Client, session: str, site: Site
):
    site.gate.close()
    room = site.rooms.get(session)
    try:
        with client.stream("POST", f"/sessions/{session}/ask", json={"question": "Go"}) as reply:
            told = messages(reply)
            site.gate.let(1)
            assert next(told)[0] == "piece"
            client.post(f"/sessions/{session}/hush")
            site.gate.let(1)
            assert list(told)[-1][1]["cancelled"]
        long = {"question": "and " * 300}
        with client.stream("POST", f"/sessions/{session}/ask", json=long) as reply:
            site.gate.let(1)
            assert next(messages(reply))[0] == "piece"
            (answer,) = room.answers
        until(lambda: (site.gate.let(1), not room.answers)[1])
        assert answer.text.count("and") < 300
    finally:
        site.gate.open()


def test_bad_questions_and_sessions_are_told_apart(client: httpx.Client, session: str):
    def ask(**body: object) -> httpx.Response:
        return client.post(f"/sessions/{session}/ask", json=body)

    empty = ask(question="  ")
    assert (empty.status_code, "empty" in empty.json()["detail"]) == (400, True)
    long = ask(question="x" * 3000)
    assert (long.status_code, "too long" in long.json()["detail"]) == (400, True)
    assert ask().status_code == 422
    gone = client.post("/sessions/nobody/ask", json={"question": "Who?"})
    assert (gone.status_code, "no such session" in gone.json()["detail"]) == (404, True)
    for source, why in (("/missing.mp4", "does not exist"), ("", "no source"), ("x://y", "begin")):
        refused = client.post("/sessions", json={"source": source})
        assert refused.status_code in {400, 422}
        assert why in refused.json()["detail"]


def test_events_tell_what_is_seen_and_go_on_where_a_listener_left(
    client: httpx.Client, session: str
):
    number = ""
    kinds = set()
    with client.stream("GET", f"/sessions/{session}/events") as reply:
        for line in reply.iter_lines():
            if line.startswith("id: "):
                number = line[4:]
            elif line.startswith("data: "):
                data = json.loads(line[6:])
                kinds.add(data.get("kind", "figures" if "lag" in data else ""))
                if "figures" in kinds:
                    break
    assert {"speech", "text", "object", "segment", "figures"} <= kinds
    with client.stream(
        "GET", f"/sessions/{session}/events", headers={"Last-Event-ID": number}
    ) as reply:
        for line in reply.iter_lines():
            if line.startswith("id: "):
                assert int(line.split("-")[1]) > int(number.split("-")[1])
            if line.startswith("data: ") and "lag" in line:
                break


def test_the_timeline_gives_a_stretch_and_no_more_than_asked_for(
    client: httpx.Client, session: str
):
    def timeline(**window: float) -> dict:
        return client.get(f"/sessions/{session}/timeline", params=window).json()

    whole = timeline()
    segments = whole["segments"]
    assert whole["count"] == len(segments) > 3
    assert [s["index"] for s in segments] == list(range(len(segments)))
    part = timeline(start=segments[2]["start"] + 0.01, end=segments[3]["start"] + 0.01)
    assert [s["index"] for s in part["segments"]] == [2, 3]
    thin = timeline(most=3)
    assert (thin["count"], len(thin["segments"])) == (whole["count"], 3)
    lines = [line for s in segments for line in s["lines"]]
    assert any(line["kind"] == "heard" and "Chelsea" in line["text"] for line in lines)
    picture = client.get(f"/sessions/{session}/thumbnails/1.jpg")
    assert picture.content.startswith(b"\xff\xd8")
    assert client.get(f"/sessions/{session}/thumbnails/999.jpg").status_code == 404
    latest = client.get(f"/sessions/{session}/picture.jpg")
    assert latest.content.startswith(b"\xff\xd8")
    assert float(latest.headers["x-stream-time"]) > 30


def test_the_clip_can_be_played_from_any_place(client: httpx.Client, session: str):
    part = client.get(f"/sessions/{session}/media", headers={"Range": "bytes=100-199"})
    assert part.status_code == 206
    assert part.content == SAMPLE.read_bytes()[100:200]


def test_a_standing_question_fires_once_and_is_told_on(
    client: httpx.Client, session: str, site: Site
):
    put = client.post(
        f"/sessions/{session}/standing",
        json={"question": "tell me when you hear the word rocket"},
    )
    assert put.status_code == 201
    number = put.json()["number"]
    client.post(f"/sessions/{session}/playhead", json={"position": 65, "playing": True})
    until(lambda: not client.get(f"/sessions/{session}").json()["watching"])
    until(lambda: bool(client.get(f"/sessions/{session}/standing").json()["firings"]))
    told = client.get(f"/sessions/{session}/standing").json()
    assert [q["number"] for q in told["questions"]] == [number]
    (firing,) = told["firings"]
    assert 35 <= firing["time"] <= 37
    assert "rocket" in firing["because"]
    assert [t["session"] for t in site.told if t["number"] == number][-1] == session
    assert client.delete(f"/sessions/{session}/standing/{number}").status_code == 204
    assert client.get(f"/sessions/{session}/standing").json()["questions"] == []


def test_a_spoken_question_comes_back_in_words(client: httpx.Client, session: str):
    heard = client.post(
        f"/sessions/{session}/speech", params={"rate": 48_000}, content=tone(1.0).tobytes()
    )
    assert heard.json() == {
        "text": "Welcome. This short film shows five photographs, and it lasts one minute."
    }
    long = client.post(
        f"/sessions/{session}/speech", params={"rate": 8_000}, content=bytes(2 * 8_000 * 61)
    )
    assert long.status_code == 413


def piece(kind: int, at: float, number: int, data: bytes, rate: int = 0) -> bytes:
    return struct.pack("<BdIII", kind, at, rate, number, len(data)) + data


def test_captured_media_is_watched_each_piece_once(client: httpx.Client, site: Site):
    name = client.post("/sessions", json={"source": "camera"}).json()["id"]
    try:
        clock = client.get(f"/sessions/{name}/live").json()
        assert clock["next"] == 0
        body = b"".join(
            piece(1, 0.25 * k, 2 * k, jpeg(shade=10 * k))
            + piece(2, 0.25 * k, 2 * k + 1, tone(0.25).tobytes(), 48_000)
            for k in range(12)
        )
        for _ in range(2):  # the second time its reply was lost, for all the page knows
            sent = client.post(f"/sessions/{name}/live", content=body)
            assert sent.json()["next"] == 24
        until(lambda: client.get(f"/sessions/{name}").json()["time"] > 2.7)
        figures = client.get(f"/sessions/{name}").json()
        assert figures["offered"] == 12
        assert figures["camera"]
        bad = client.post(f"/sessions/{name}/live", content=piece(1, 4.0, 24, b"no picture"))
        assert bad.status_code == 422
        cut = client.post(f"/sessions/{name}/live", content=body[:30])
        assert cut.status_code == 422
        huge = client.post(f"/sessions/{name}/live", content=bytes(9 * 2**20))
        assert huge.status_code == 413
    finally:
        client.delete(f"/sessions/{name}")


def test_a_session_is_taken_up_again_after_a_restart_with_all_it_saw(tmp_path: Path):
    with serving(tmp_path) as site, httpx.Client(base_url=site.url, timeout=45) as client:
        name = client.post("/sessions", json={"source": "sample"}).json()["id"]
        client.post(f"/sessions/{name}/playhead", json={"position": 20, "playing": False})
        until(lambda: client.get(f"/sessions/{name}").json()["segments"] > 1)
        asked(client, name, question="Before?")
    with serving(tmp_path) as site, httpx.Client(base_url=site.url, timeout=45) as client:
        assert client.get(f"/sessions/{name}").status_code == 404
        assert client.post(f"/sessions/{name}/resume").json() == {"id": name}
        segments = client.get(f"/sessions/{name}/timeline").json()["segments"]
        assert segments
        figures = client.get(f"/sessions/{name}").json()
        assert figures["position"] >= segments[-1]["end"] - 0.1
        assert [turn.question for turn in site.rooms.get(name).memory.turns()] == ["Before?"]
        assert client.post("/sessions/..%2f..%2fetc/resume").status_code == 404
        assert client.delete(f"/sessions/{name}", params={"forget": True}).status_code == 204
        assert client.post(f"/sessions/{name}/resume").status_code == 404
        assert list(tmp_path.iterdir()) == []


def test_a_model_that_fails_is_counted_in_the_figures_while_watching_goes_on(tmp_path: Path):
    class Broken:
        def look(self, image):
            raise ValueError("it broke")

    whole = fake_engine()
    engine = replace(whole, senses=replace(whole.senses, seeing=Broken()))
    with (
        serving(tmp_path, engine=engine) as site,
        httpx.Client(base_url=site.url, timeout=45) as client,
    ):
        name = client.post("/sessions", json={"source": "sample"}).json()["id"]
        client.post(f"/sessions/{name}/playhead", json={"position": 5, "playing": False})
        until(lambda: client.get(f"/sessions/{name}").json()["time"] > 4)
        figures = client.get(f"/sessions/{name}").json()
        (part,) = figures["faults"]
        assert figures["faults"][part] > 0
        assert (figures["quality"], figures["error"]) == ("full", None)
        told = client.get("/metrics").text
        assert f'part="{part}"' in told


def test_the_next_visitor_is_told_to_wait_with_a_place(tmp_path: Path):
    with (
        serving(tmp_path, most=1) as site,
        httpx.Client(base_url=site.url, timeout=45) as client,
    ):
        first = client.post("/sessions", json={"source": "camera"}).json()["id"]
        second = client.post("/sessions", json={"source": "camera"})
        third = client.post("/sessions", json={"source": "camera"})
        assert (second.status_code, second.json()["place"]) == (429, 1)
        assert third.json()["place"] == 2
        assert second.headers["retry-after"]
        assert client.get("/ready").status_code == 503
        client.delete(f"/sessions/{first}")
        late = client.post("/sessions", json={"source": "camera"})
        assert late.json()["place"] == 3, "who came first goes first"
        ticket = second.json()["ticket"]
        again = client.post("/sessions", json={"source": "camera", "ticket": ticket})
        assert again.status_code == 201


def test_what_nobody_looks_at_is_closed_and_frees_its_threads(tmp_path: Path):
    with (
        serving(tmp_path, patience=0.3) as site,
        httpx.Client(base_url=site.url, timeout=45) as client,
    ):
        before = own_threads()
        name = client.post("/sessions", json={"source": "sample"}).json()["id"]
        with client.stream("GET", f"/sessions/{name}/events") as reply:
            lines = reply.iter_lines()
            next(lines)
            time.sleep(0.4)
            site.rooms.sweep()
            assert len(site.rooms.now) == 1, "somebody looks"
        until(lambda: (site.rooms.sweep(), not site.rooms.now)[1])
        until(lambda: own_threads() == before)


def own_threads() -> int:
    own = {"reader", "watch", "context", "standing"}
    return sum(thread.name in own for thread in threading.enumerate())


def test_a_password_guards_everything_but_health(tmp_path: Path):
    rules = Rules(auth=("eve", "opens:it"))
    with serving(tmp_path, rules=rules) as site:
        assert httpx.get(f"{site.url}/health").status_code == 200
        for path in ("/", "/metrics", "/docs", "/page/page.js", "/config", "/sessions/x"):
            assert httpx.get(site.url + path).status_code == 401, path
        assert httpx.get(site.url, auth=("eve", "wrong")).status_code == 401
        odd = httpx.get(site.url, headers={"Authorization": "Basic %%%"})
        assert odd.status_code == 401
        inside = httpx.get(site.url, auth=("eve", "opens:it"))
        assert inside.status_code == 200
        named = {"source": str(SAMPLE)}
        refused = httpx.post(f"{site.url}/sessions", json=named, auth=("eve", "opens:it"))
        assert "cannot be named from here" in refused.json()["detail"]


def test_other_sites_and_other_names_are_refused(client: httpx.Client, site: Site):
    start = {"source": "camera"}
    foreign = client.post("/sessions", json=start, headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403
    rebound = client.get("/health", headers={"Host": "evil.example"})
    assert rebound.status_code == 421
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    proxied = {"X-Forwarded-For": "203.0.113.9"}  # so not from who sits at this machine

    def refusal(path: str, body: dict) -> str:
        return client.post(path, json=body, headers=proxied).json()["detail"]

    assert "cannot be named from here" in refusal("/sessions", {"source": str(SAMPLE)})
    assert "private network" in refusal("/sessions", {"source": "rtsp://127.0.0.1/cam"})
    name = client.post("/sessions", json=start).json()["id"]
    put = {"question": "tell me when it rains", "webhook": "http://127.0.0.1:9/"}
    assert "private network" in refusal(f"/sessions/{name}/standing", put)
    assert client.post(f"/sessions/{name}/standing", json=put).status_code == 201
    client.delete(f"/sessions/{name}")


def test_the_docs_list_every_route(client: httpx.Client):
    schema = client.get("/openapi.json").json()
    page = client.get("/docs").text
    assert len(schema["paths"]) > 15
    for path in schema["paths"]:
        assert path in page
    assert "src=" not in page, "it needs nothing from elsewhere"


def test_the_curl_lines_of_the_documentation_work(client: httpx.Client, site: Site):
    documented = app.server.__doc__ or ""
    lines = documented.split("::\n\n")[1].split("``/docs``")[0].replace("\\\n", " ")
    commands = [line.strip() for line in lines.splitlines() if "curl" in line]
    assert len(commands) == 7
    name = "ID"
    for command in commands:
        command = command.replace("localhost:7860", site.url).replace("/ID", f"/{name}")
        if "/events" in command:
            command += " --max-time 1"
        done = subprocess.run(
            f"{command} -sS", shell=True, capture_output=True, text=True, timeout=45
        )
        if "/events" in command:
            assert "event: hello" in done.stdout
        else:
            assert done.returncode == 0, done.stderr
        if '"source"' in command:
            name = json.loads(done.stdout)["id"]
            url = f"/sessions/{name}"
            until(lambda url=url: client.get(url).json()["time"] > 0.5)
        if "/ask" in command:
            assert "event: done" in done.stdout
    assert name not in [room.name for room in site.rooms.now]
