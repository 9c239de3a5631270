"""A server of its own for a test, on a free port, in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from app.server import Service
from app.web.demo import build_app
from app.web.guard import Guard, Rules
from app.web.rooms import Rooms
from pipeline.engine import Engine
from tests.app.web.fakes import Gate, fake_engine

SAMPLE = Path(__file__).resolve().parents[3] / "assets" / "sample.mp4"


@dataclass
class Site:
    """``url`` is where it is served; ``gate`` holds back the fake engine's answers."""

    url: str
    rooms: Rooms
    service: Service
    gate: Gate
    told: list[dict[str, Any]]


def until(true: Callable[[], bool], seconds: float = 45) -> None:
    """Wait until something has come true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


@contextmanager
def serving(
    folder: Path,
    *,
    engine: Engine | None = None,
    rules: Rules | None = None,
    most: int = 4,
    patience: float = 40.0,
    port: int = 0,
) -> Iterator[Site]:
    gate = Gate()
    rules = rules or Rules()
    told: list[dict[str, Any]] = []
    with Rooms(engine or fake_engine(gate.step), folder, most=most, patience=patience) as rooms:
        service = Service(rooms, SAMPLE, rules, lambda document: told.append(dict(document)))
        app = Guard(build_app(service), rules)
        config = uvicorn.Config(
            app,
            host="127.0.0.1",
            port=port,
            log_level="error",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        up = threading.Event()
        startup = server.startup

        async def started(sockets: list[Any] | None = None) -> None:
            await startup(sockets)
            up.set()

        server.startup = started  # type: ignore[method-assign]
        thread = threading.Thread(target=server.run, name="site", daemon=True)
        thread.start()
        try:
            assert up.wait(45), "the server did not start"
            bound = server.servers[0].sockets[0].getsockname()[1]
            yield Site(f"http://127.0.0.1:{bound}", rooms, service, gate, told)
        finally:
            gate.open()
            server.should_exit = True
            thread.join(10)
