"""A model server on a socket, which speaks the protocol and does as a test says.

It stands in for what no server here does: vLLM's names, cache counts and log-probabilities, and
failures at a given moment. Tokens are words; a picture is 64 of them, a second of sound 25.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

PICTURE = 64
SECOND = 25
PROBES = ("One.", "Two.", "You answer. One. Two.")


@dataclass
class Rules:
    """What the server does.

    Attributes:
        reply: pieces of an answer.
        likely: log-probabilities of the first token; None where it tells none.
        kind: as it names itself.
        pictures, sound, in_a_row: what it takes.
        remembers: it finds what it has read in its cache.
        before: called with the number of a question before it is answered; a status is sent
            instead of an answer, ``"drop"`` closes the connection.
        between: called before each piece with its number; ``"drop"`` closes the connection.
    """

    reply: Sequence[str] = ("A ", "cat.")
    likely: dict[str, float] | None = None
    kind: str = "vllm"
    length: int = 100_000
    pictures: bool = True
    sound: bool = False
    in_a_row: bool = True
    key: str | None = None
    remembers: bool = True
    before: Callable[[int], int | str | None] = lambda number: None
    between: Callable[[int], str | None] = lambda number: None
    retry_after: str = "0.01"


@dataclass
class Standing:
    """The server while it runs.

    Attributes:
        bodies: of all questions, as they came, without the trials of what it can do.
        closed: set when somebody who waited for pieces went away.
    """

    rules: Rules
    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)
    most_at_once: int = 0
    _at_once: int = 0
    _read: list[str] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.Lock)

    @property
    def questions(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]


def tokens(messages: Sequence[dict[str, Any]]) -> int:
    return sum(
        len(part["text"].split()) if part["type"] == "text" else _media(part)
        for message in messages
        for part in _parts(message)
    )


def _shared(a: str, b: str) -> int:
    """Characters that both begin with."""
    same, unlike = 0, min(len(a), len(b)) + 1
    while unlike - same > 1:
        middle = (same + unlike) // 2
        if a[:middle] == b[:middle]:
            same = middle
        else:
            unlike = middle
    return same


def _media(part: dict[str, Any]) -> int:
    if part["type"] == "image_url":
        return PICTURE
    return int(SECOND * len(part["input_audio"]["data"]) * 3 / 4 / 32_000)


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


@contextmanager
def standing(rules: Rules, port: int = 0) -> Iterator[Standing]:
    """A server while in the block."""
    state = Standing(rules)

    class Handler(_Handler):
        standing = state

    served = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    served.daemon_threads = True
    state.url = f"http://127.0.0.1:{served.server_address[1]}"
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        served.shutdown()
        served.server_close()
        thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    standing: Standing
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self._refused():
            return
        rules = self.standing.rules
        model = {"id": "tiny", "object": "model", "created": 0, "owned_by": rules.kind}
        if rules.kind:
            model["max_model_len"] = rules.length
        self._json(200, {"object": "list", "data": [model]})

    def do_POST(self) -> None:
        state, rules = self.standing, self.standing.rules
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        body = json.loads(raw)
        if self._refused():
            return
        roles = [message["role"] for message in body["messages"]]
        if not rules.in_a_row and ("system" in roles or any(a == b for a, b in pairwise(roles))):
            self._json(400, {"error": {"message": "roles must alternate"}})
            return
        kinds = {part["type"] for m in body["messages"] for part in _parts(m)}
        if "image_url" in kinds and not rules.pictures:
            self._json(400, {"error": {"message": "not a multimodal model"}})
            return
        if "input_audio" in kinds and not rules.sound:
            self._json(400, {"error": {"message": "at most 0 audio(s)"}})
            return
        trial = _parts(body["messages"][-1])[0]["text"] in PROBES
        with state._lock:
            if not trial:
                state.bodies.append(raw)
                state.headers.append({k.lower(): v for k, v in self.headers.items()})
            number = len(state.bodies)
            state._at_once += not trial
            state.most_at_once = max(state.most_at_once, state._at_once)
        try:
            self._answer(body, number, trial)
        finally:
            with state._lock:
                state._at_once -= not trial

    def _answer(self, body: dict[str, Any], number: int, trial: bool) -> None:
        state, rules = self.standing, self.standing.rules
        if not trial:
            state.arrived.set()
            if (instead := rules.before(number)) is not None:
                if instead == "drop":
                    self.close_connection = True
                else:
                    self._json(instead, {"error": {"message": "told to"}})
                return
        usage = self._usage(body)
        if body.get("stream"):
            self._stream(body, usage, Rules(reply=("A",)) if trial else rules)
            return
        choice: dict[str, Any] = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "".join(rules.reply)},
        }
        if body.get("logprobs") and rules.likely is not None:
            top = [{"token": t, "logprob": p, "bytes": None} for t, p in rules.likely.items()]
            choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        self._json(200, _whole("chat.completion", [choice], usage))

    def _usage(self, body: dict[str, Any]) -> dict[str, Any]:
        """Counts, of which those of the longest prompt read before with the same beginning."""
        state = self.standing
        words = json.dumps(body["messages"])
        count = tokens(body["messages"])
        with state._lock:
            best = max((_shared(words, read) for read in state._read), default=0)
            if state.rules.remembers:
                state._read.append(words)
        return {
            "prompt_tokens": count,
            "completion_tokens": len(state.rules.reply),
            "total_tokens": count + len(state.rules.reply),
            "prompt_tokens_details": {"cached_tokens": count * best // len(words)},
        }

    def _stream(self, body: dict[str, Any], usage: dict[str, Any], rules: Rules) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for number, piece in enumerate(rules.reply):
                if rules.between(number) == "drop":
                    self.close_connection = True
                    self.connection.shutdown(2)
                    return
                delta = {"index": 0, "delta": {"content": piece}, "finish_reason": None}
                self._event(_whole("chat.completion.chunk", [delta]))
            if body.get("stream_options", {}).get("include_usage"):
                self._event(_whole("chat.completion.chunk", [], usage))
            self._chunk(b"data: [DONE]\n\n")
            self._chunk(b"")
        except OSError:
            self.standing.closed.set()

    def _event(self, what: dict[str, Any]) -> None:
        self._chunk(b"data: " + json.dumps(what).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _refused(self) -> bool:
        key = self.standing.rules.key
        if key is None or self.headers.get("Authorization") == f"Bearer {key}":
            return False
        self._json(401, {"error": {"message": "wrong key"}})
        return True

    def _json(self, status: int, what: dict[str, Any]) -> None:
        data = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status in (429, 503):
            self.send_header("Retry-After", self.standing.rules.retry_after)
        self.end_headers()
        self.wfile.write(data)


def _whole(kind: str, choices: list[Any], usage: dict[str, Any] | None = None) -> dict[str, Any]:
    made = {"id": "1", "object": kind, "created": 0, "model": "tiny", "choices": choices}
    return made if usage is None else {**made, "usage": usage}
