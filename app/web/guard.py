"""What stands before every request: who may come in, from where, and what the page may load."""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN = ("/health", "/ready")
"""Paths that need no password."""

POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",  # Gradio compiles templates
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""Content-Security-Policy: the page loads nothing from elsewhere, whatever its parts ask for."""


def is_loopback(host: str) -> bool:
    """Whether ``host`` names this very machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Rules:
    """What visitors may do.

    Attributes:
        host: the address that is served on.
        auth: user and password that everybody must give, or None.
        allow_paths: anybody may name files of this machine; else only who sits at it.
        allow_private: anybody's streams and webhooks may lead into private networks; else
            only theirs who sit at this machine.
    """

    host: str = "127.0.0.1"
    auth: tuple[str, str] | None = None
    allow_paths: bool = False
    allow_private: bool = False

    def at_home(self, headers: Mapping[str, str]) -> bool:
        """Whether a request with ``headers`` comes from who sits at this machine."""
        forwarded = any(name in headers for name in ("x-forwarded-for", "forwarded", "x-real-ip"))
        return is_loopback(self.host) and not self.auth and not forwarded

    def may_name_files(self, headers: Mapping[str, str]) -> bool:
        """Whether the sender of a request may name files of this machine."""
        return self.allow_paths or self.at_home(headers)

    def may_reach_private(self, headers: Mapping[str, str]) -> bool:
        """Whether the sender of a request may have private addresses reached."""
        return self.allow_private or self.at_home(headers)


class Guard:
    """ASGI middleware.

    - With a password set, asks for it (HTTP Basic) on every path but :data:`OPEN`.
    - Served on this machine alone, answers only to its names: a page elsewhere cannot
      reach it under a name of its own (DNS rebinding).
    - Refuses what another site's page sends (by ``Origin``).
    - Adds :data:`POLICY` and its like to every answer.
    """

    def __init__(self, app: App, rules: Rules) -> None:
        self._app = app
        self._rules = rules
        self._expected = b""
        if rules.auth is not None:
            self._expected = ":".join(rules.auth).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value for name, value in scope["headers"]}
        host = headers.get("host", b"").decode("latin-1")
        if is_loopback(self._rules.host) and not is_loopback(_name(host)):
            await _refuse(send, scope, 421, "this server answers to localhost alone")
            return
        origin = headers.get("origin", b"").decode("latin-1")
        if origin and urlsplit(origin).netloc != host and scope.get("method") != "GET":
            await _refuse(send, scope, 403, "requests from other sites are refused")
            return
        if self._expected and scope["path"] not in OPEN and not self._knows(headers):
            await _refuse(send, scope, 401, "a user name and a password are needed")
            return

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", []),
                    (b"content-security-policy", POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]
            await send(message)

        await self._app(scope, receive, with_policy)

    def _knows(self, headers: dict[str, bytes]) -> bool:
        kind, _, given = headers.get("authorization", b"").partition(b" ")
        try:
            decoded = base64.b64decode(given, validate=True)
        except binascii.Error:
            return False
        return kind.lower() == b"basic" and hmac.compare_digest(decoded, self._expected)


def _name(host: str) -> str:
    """A ``Host`` header without its port."""
    return urlsplit(f"//{host}").hostname or ""


async def _refuse(send: Send, scope: Scope, status: int, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="Onlooker", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": why.encode()})
