"""``transformers serve``, as a process that can be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx

START = 150.0
"""Seconds that the server may take to start on a busy machine."""


class Serving:
    """``transformers serve`` at one address, to be killed and started again."""

    def __init__(self, log: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = taken.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "transformers.cli.transformers", "serve"]
        where = ["--host", "127.0.0.1", "--port", str(self.port)]
        where += ["--device", "cpu", "--dtype", "float32"]  # half precision crawls there
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *where], stdout=log, stderr=log, env=environment
            )

    def wait(self) -> None:
        until = time.monotonic() + START
        while time.monotonic() < until:
            assert self._process is not None and self._process.poll() is None, self._log.read_text()
            try:
                if httpx.get(f"{self.url}/health", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                threading.Event().wait(0.1)
        raise AssertionError(self._log.read_text())

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(30)
