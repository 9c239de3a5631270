"""Firings sent on: a JSON document by POST, signed, tried again where it does not arrive."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from app.web.addresses import AddressError, resolve

TIMEOUT = 10.0
BACKLOG = 100
WAITS = (1.0, 5.0, 25.0)
"""Seconds before each further try."""

POLL = 0.2
SIGNATURE = "X-Onlooker-Signature"


class Webhook:
    """Sends documents to one address, in order, on a thread of its own. Use it in ``with``.

    Each is signed: the header ``X-Onlooker-Signature`` is ``sha256=`` and the hex HMAC-SHA256
    of the body under ``secret``, as GitHub does it.

    Args:
        url: ``http://`` or ``https://``; redirects are not followed.
        secret: shared with the receiver; empty for no signature.
        allow_private: the address may be on this machine or its own network.
        failed: told why a document was given up.
        waits: seconds before each further try.

    Raises:
        AddressError: the address cannot or may not be reached.
    """

    def __init__(
        self,
        url: str,
        secret: str = "",
        *,
        allow_private: bool = False,
        failed: Callable[[str], None] = lambda why: None,
        waits: tuple[float, ...] = WAITS,
    ) -> None:
        resolve(url, ("https", "http"), allow_private)
        self._url = url
        self._secret = secret.encode()
        self._allow_private = allow_private
        self._failed = failed
        self._waits = waits
        self._posts: queue.Queue[bytes] = queue.Queue(BACKLOG)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send(self, document: Mapping[str, object]) -> None:
        """Send ``document``; returns at once. One too many is given up."""
        try:
            self._posts.put_nowait(json.dumps(document).encode())
        except queue.Full:
            self._failed(f"{BACKLOG} firings wait for the webhook already: one was left out")

    def close(self) -> None:
        """Try once what still waits, then end."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(2 * TIMEOUT)

    def _run(self) -> None:
        while True:
            try:
                body = self._posts.get(timeout=POLL)
            except queue.Empty:
                if self._closing.is_set():
                    return
                continue
            self._deliver(body)

    def _deliver(self, body: bytes) -> None:
        why = ""
        for wait in (0.0, *self._waits):
            if wait and self._closing.wait(wait):
                break
            try:
                status = self._post(body)
            except (OSError, http.client.HTTPException, AddressError) as error:
                why = str(error) or type(error).__name__
                continue
            if status < 300:
                return
            why = f"it answered {status}"
            if 400 <= status < 500 and status not in {408, 429}:
                break  # it will not think better of it
        self._failed(f"the webhook {urlsplit(self._url).hostname} was not told: {why}")

    def _post(self, body: bytes) -> int:
        parts = urlsplit(self._url)
        address, port = resolve(self._url, ("https", "http"), self._allow_private)
        headers = {"Content-Type": "application/json", "User-Agent": "Onlooker"}
        if self._secret:
            headers[SIGNATURE] = f"sha256={sign(body, self._secret)}"
        connection = _Pinned(parts.hostname or "", address, port, parts.scheme == "https")
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body, headers)
            return connection.getresponse().status
        finally:
            connection.close()


class _Pinned(http.client.HTTPConnection):
    """A connection to ``address`` that speaks to it as ``host``."""

    def __init__(self, host: str, address: str, port: int, secure: bool) -> None:
        super().__init__(host, port, timeout=TIMEOUT)
        self.default_port = 443 if secure else 80
        self._address = address
        self._secure = secure

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        context = ssl.create_default_context() if self._secure else None
        self.sock = (
            plain if context is None else context.wrap_socket(plain, server_hostname=self.host)
        )


def sign(body: bytes, secret: bytes) -> str:
    """The hex HMAC-SHA256 of ``body``."""
    return hmac.new(secret, body, hashlib.sha256).hexdigest()
