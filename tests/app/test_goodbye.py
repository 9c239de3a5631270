"""Told to stop, a command keeps what it saw and says goodbye."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.memory import Memory
from tests.pipeline.media import write_clip

ROOT = Path(__file__).resolve().parents[2]

COMMAND = """
import sys
from app import cli
from tests.pipeline.fakes import engine
cli.load_engine = lambda choice, home: engine()
sys.argv[0] = "launch.py"
cli.main()
"""
"""The command line with an engine that is there at once."""


def command(*arguments: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, arguments)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def feed(process: subprocess.Popen[bytes], folder: Path) -> None:
    """A stream that comes and then neither goes on nor ends."""
    clip = write_clip(folder / "a.ts", seconds=25, size=(64, 48), fps=4, codec="mpeg2video")
    assert process.stdin is not None
    process.stdin.write(clip.read_bytes())
    process.stdin.flush()


@pytest.fixture
def ending() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def test_a_watch_that_is_told_to_stop_seals_what_is_open_and_says_goodbye(
    tmp_path: Path, ending: list[subprocess.Popen[bytes]]
) -> None:
    session = tmp_path / "day.onlooker"
    process = command("watch", "-", "--session", session, "--json")
    ending.append(process)
    feed(process, tmp_path)
    assert process.stdout is not None
    told = []
    for line in process.stdout:
        told.append(json.loads(line))
        if [each["kind"] for each in told].count("segment") == 1 and told[-1]["kind"] == "segment":
            process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "stopped" in {each["kind"] for each in told}
    last = [each for each in told if each["kind"] == "segment"][-1]
    assert last["closed_by"] == "end"
    assert f"kept in {session}" in " ".join(err.decode().split())
    with Memory.open(session, None) as memory:
        kept = memory.segments()
        assert (kept[-1].index, kept[-1].end) == (last["index"], last["end"])


def test_a_question_that_is_told_to_stop_keeps_what_was_watched_for_it(
    tmp_path: Path, ending: list[subprocess.Popen[bytes]]
) -> None:
    session = tmp_path / "day.onlooker"
    process = command("ask", "--session", session, "-", "What is there?")
    ending.append(process)
    feed(process, tmp_path)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (session.exists() and _segments(session)):
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert b"stopped" in err
    assert _segments(session) > 1  # and the one that was open


def test_a_server_that_is_told_to_stop_keeps_what_its_rooms_saw(
    ending: list[subprocess.Popen[bytes]],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = command("web", "--port", str(port))
    ending.append(process)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
            break
        except OSError:
            time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert b"stopped" in err and b"Traceback" not in err


def _segments(session: Path) -> int:
    with Memory.open(session, None, read_only=True) as memory:
        return memory.next_index
