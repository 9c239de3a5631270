"""Firings posted to an address, and the addresses that may be reached."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from app.web import addresses
from app.web.addresses import AddressError, resolve
from app.web.webhook import SIGNATURE, Webhook


class Receiver(HTTPServer):
    """Keeps what is posted; answers with the statuses it was given, then with 200."""

    def __init__(self) -> None:
        self.got: list[tuple[bytes, str | None]] = []
        self.statuses: list[int] = []
        self.changed = threading.Condition()
        super().__init__(("127.0.0.1", 0), Handler)

    def wait(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.got) >= count, 10)


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.end_headers()
        with self.server.changed:
            self.server.got.append((body, self.headers[SIGNATURE]))
            self.server.changed.notify_all()

    def log_message(self, *given: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def hook(receiver: Receiver, failed: list[str], **options: object) -> Webhook:
    url = f"http://127.0.0.1:{receiver.server_port}/told?x=1"
    waits = (0.01, 0.01, 0.01)
    return Webhook(url, "s3cret", allow_private=True, failed=failed.append, waits=waits, **options)


def test_documents_arrive_in_order_signed_and_are_tried_again(receiver: Receiver):
    failed: list[str] = []
    receiver.statuses = [503, 429]
    with hook(receiver, failed) as webhook:
        webhook.send({"number": 1})
        webhook.send({"number": 2})
        receiver.wait(4)
    bodies = [json.loads(body)["number"] for body, _ in receiver.got]
    assert bodies == [1, 1, 1, 2]
    for body, signature in receiver.got:
        expected = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
        assert signature == f"sha256={expected}"
    assert failed == []


def test_what_does_not_arrive_is_said_and_a_refusal_is_not_tried_again(receiver: Receiver):
    failed: list[str] = []
    receiver.statuses = [403, 500, 500, 500, 500]
    with hook(receiver, failed) as webhook:
        webhook.send({"number": 1})
        webhook.send({"number": 2})
        receiver.wait(5)
    assert len(receiver.got) == 5
    assert ["answered 403" in failed[0], "answered 500" in failed[1]] == [True, True]


def test_a_redirect_is_not_followed(receiver: Receiver):
    failed: list[str] = []
    receiver.statuses = [302]
    with hook(receiver, failed) as webhook:
        webhook.send({})
        receiver.wait(1)
    assert len(failed) in {0, 1}
    assert all("302" in why for why in failed)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1",
        "[::1]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]", "[2002:7f00:1::]", "224.0.0.1",
        "2130706433", "localhost",
    ],
)  # fmt: skip
def test_private_addresses_are_refused_in_every_spelling(host: str):
    with pytest.raises(AddressError, match="private network"):
        resolve(f"http://{host}/x", ("http",), allow_private=False)


def test_a_name_that_leads_anywhere_private_is_refused(monkeypatch: pytest.MonkeyPatch):
    def both(host: str, port: int, **options: object) -> list[tuple]:
        kinds = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kinds, (address, port)) for address in ("93.184.216.34", "10.0.0.1")]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", both)
    with pytest.raises(AddressError, match="private network"):
        resolve("https://two.example/", ("https",), allow_private=False)
    assert resolve("https://two.example/", ("https",), True) == ("93.184.216.34", 443)


def test_mistakes_in_an_address_are_explained():
    for url, why in (
        ("ftp://example.org/", "must begin with http://"),
        ("example.org", "must begin with http://"),
        ("http://", "names no host"),
        ("http://x.invalid/", "cannot be found"),
        ("http://127.0.0.1:99999/", "cannot be found"),
    ):
        with pytest.raises(AddressError, match=why):
            resolve(url, ("http",), allow_private=True)
