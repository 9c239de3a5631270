"""Starting to serve: what is refused, and https with a certificate of its own."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.web import demo
from app.web.demo import ServeError, serve
from tests.app.web.fakes import fake_engine
from tests.app.web.site import SAMPLE


def started(folder: Path, **options: Any) -> None:
    serve(fake_engine(), sessions_folder=folder / "sessions", sample=SAMPLE, **options)


def test_what_others_can_reach_needs_a_password(tmp_path: Path):
    with pytest.raises(ServeError, match="--auth"):
        started(tmp_path, host="0.0.0.0")


def test_a_port_in_use_is_said(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        # On a thread of its own: a browser driven by an earlier test leaves its loop on this one.
        with ThreadPoolExecutor(1) as pool, pytest.raises(ServeError, match="--port"):
            pool.submit(started, tmp_path, port=port).result(60)


def test_https_is_served_with_a_certificate_that_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl, which is not installed here")
    servers: list[demo._Server] = []
    make = demo._Server.__init__

    def remembered(server: demo._Server, *given: Any) -> None:
        make(server, *given)
        servers.append(server)

    monkeypatch.setattr(demo._Server, "__init__", remembered)
    certificates = []
    for _ in range(2):
        up = threading.Event()
        urls: list[str] = []

        def ready(url: str, up: threading.Event = up, urls: list[str] = urls) -> None:
            urls.append(url)
            up.set()

        thread = threading.Thread(
            target=started, args=(tmp_path,), kwargs={"port": 0, "https": True, "ready": ready}
        )
        thread.start()
        assert up.wait(45)
        trusted = ssl.create_default_context(cafile=str(tmp_path / "https.crt"))
        assert httpx.get(f"{urls[0]}/health", verify=trusted).status_code == 200
        servers[-1].should_exit = True
        thread.join(45)
        certificates.append((tmp_path / "https.crt").read_bytes())
    assert certificates[0] == certificates[1]
    assert (tmp_path / "https.key").stat().st_mode & 0o077 == 0
