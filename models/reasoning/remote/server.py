"""Requests to a model server: streamed, cancelled, retried, counted."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import httpx2
import openai

from models.reasoning.reasoner import ReasonerError
from models.reasoning.remote.abilities import Abilities, Trial, probe
from models.reasoning.remote.call import Call
from models.reasoning.remote.endpoint import Endpoint
from models.reasoning.remote.slots import POLL, Busy, Cancelled, Slots

log = logging.getLogger("onlooker.remote")

RETRIES = 4
"""Times that a request is repeated before its first token: after some 0.5, 1, 2 and 4 s, or
when the server says."""

REST = 5.0
"""Seconds for which a server that could not be reached is not asked for what can be left
undone, and is asked only once for the rest."""

CONNECT = 5.0
"""Seconds to reach the server."""

Message = dict[str, Any]


@dataclass(slots=True)
class Usage:
    """What the server counted for one request.

    Attributes:
        prompt: tokens of the prompt; 0 where the server does not say.
        cached: those of them that it had read before and kept.
        generated: tokens of the answer.
    """

    prompt: int = 0
    cached: int = 0
    generated: int = 0


class Server:
    """One server, for any number of streams. Safe to use from any thread.

    Raises:
        ReasonerError: the API key is not in the environment.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.slots = Slots(endpoint.concurrency)
        self.caches = False
        self._key = endpoint.key()
        self._probing = threading.Lock()
        self._abilities: Abilities | None = None
        self._rests_until = 0.0

    @property
    def name(self) -> str:
        known = self._abilities.model if self._abilities is not None else None
        model = self.endpoint.model or known or "its model"
        return f"remote {model.rstrip('/').rpartition('/')[2]} at {self.endpoint.host}"

    @property
    def down(self) -> bool:
        """Whether it could not be reached a moment ago."""
        return time.monotonic() < self._rests_until

    @property
    def known(self) -> Abilities | None:
        """What it can do, if it has been asked already."""
        return self._abilities

    def abilities(self, cancelled: Callable[[], bool] = lambda: False) -> Abilities:
        """What the server can do; asked once, with a few requests of one token.

        Raises:
            ReasonerError: it cannot be reached, or serves nothing of use.
            Cancelled: ``cancelled()`` turned true meanwhile.
        """
        while not self._probing.acquire(timeout=POLL):
            if cancelled():
                raise Cancelled
        try:
            if self._abilities is None:
                with Call(cancelled) as call, self._explained():
                    found = call.wait(self._probed())
                log.info("model server %s: %s", self.endpoint.host, found)
                self._abilities = found
                self.caches = self.caches or found.caches
            return self._abilities
        finally:
            self._probing.release()

    def check(self) -> None:
        """Ask what the server can do while nothing depends on it.

        Raises:
            ReasonerError: it refuses the key, or has no such model. One that cannot be reached
                is no error: watching needs none, and it may come.
        """
        try:
            self.abilities()
        except ReasonerError:
            if not self.down:
                raise

    def stream(
        self,
        messages: Sequence[Message],
        most: int,
        cancelled: Callable[[], bool],
        usage: Usage,
    ) -> Iterator[str]:
        """The pieces of an answer of at most ``most`` tokens, as they come.

        Closing the iterator, or ``cancelled()`` turning true, closes the connection.

        Raises:
            ReasonerError: the server gives no answer, or broke off.
        """
        try:
            able = self.abilities(cancelled)
            body = self._body(able, messages, most)
            if able.streams_usage:
                body["stream_options"] = {"include_usage": True}
            yield from self._streamed(body, cancelled, usage)
        except Cancelled:
            return

    def _streamed(
        self, body: Mapping[str, Any], cancelled: Callable[[], bool], usage: Usage
    ) -> Iterator[str]:
        with (
            self._explained(),
            self.slots.slot(cancelled, self.endpoint.timeout),
            Call(cancelled) as call,
        ):
            pieces, piece = call.wait(self._begun(body, usage))
            try:
                while piece is not None:
                    yield piece
                    if cancelled():
                        return
                    piece = call.wait(self._next(pieces))
            except (openai.APIConnectionError, httpx2.TransportError) as error:
                why = _line(error.__cause__ or error)
                raise ReasonerError(
                    f"the model server at {self.endpoint.host} broke off in the middle of its "
                    f"answer ({why}): ask again"
                ) from error
            finally:
                call.end(_close(pieces))
        self._note(usage)

    def first_token(
        self, messages: Sequence[Message], usage: Usage, likely: int
    ) -> list[tuple[str, float]]:
        """The likeliest first tokens of an answer with their log-probabilities, at most
        ``likely`` of them.

        Raises:
            ReasonerError: the server gives no answer.
        """
        body = self._body(self.abilities(), messages, 1)
        body |= {"logprobs": True, "top_logprobs": likely}
        with self._waited() as call:
            done = call.wait(self._whole(body))
        _count(done.usage, done, usage)
        self._note(usage)
        given = done.choices[0].logprobs if done.choices else None
        if given is None or not given.content:
            return []
        return [(each.token, each.logprob) for each in given.content[0].top_logprobs]

    def whole(self, messages: Sequence[Message], most: int, usage: Usage) -> str:
        """An answer of at most ``most`` tokens in one piece.

        Raises:
            ReasonerError: the server gives no answer.
        """
        body = self._body(self.abilities(), messages, most)
        with self._waited() as call:
            return self._answered(call, body, usage)

    def aside(self, messages: Sequence[Message], most: int, usage: Usage) -> str | None:
        """As :meth:`whole`, but None where no slot is free: questions come first."""
        body = self._body(self.abilities(), messages, most)
        with self.slots.spare() as had:
            if not had:
                return None
            with self._explained(), Call() as call:
                return self._answered(call, body, usage)

    def _answered(self, call: Call, body: Mapping[str, Any], usage: Usage) -> str:
        done = call.wait(self._whole(body))
        _count(done.usage, done, usage)
        self._note(usage)
        return (done.choices[0].message.content or "") if done.choices else ""

    @contextmanager
    def _waited(self) -> Iterator[Call]:
        slot = self.slots.slot(lambda: False, self.endpoint.timeout)
        with self._explained(), slot, Call() as call:
            yield call

    def _body(self, able: Abilities, messages: Sequence[Message], most: int) -> dict[str, Any]:
        return {
            "model": able.model,
            "messages": messages,
            "max_tokens": most,
            "temperature": 0.0,
            **able.extra,
        }

    def _client(self) -> openai.AsyncOpenAI:
        patience = httpx2.Timeout(self.endpoint.timeout, connect=CONNECT)
        return openai.AsyncOpenAI(
            base_url=self.endpoint.url,
            api_key=self._key,
            timeout=patience,
            max_retries=0 if self.down else RETRIES,
            http_client=openai.DefaultAsyncHttpxClient(verify=_certificates(), timeout=patience),
        )

    async def _probed(self) -> Abilities:
        async with self._client() as client:  # each of its requests has all of the time
            return await probe(Trial(client, self.endpoint.model))

    async def _whole(self, body: Mapping[str, Any]) -> Any:
        async with asyncio.timeout(self.endpoint.timeout), self._client() as client:
            return await client.chat.completions.create(**_apart(body))

    async def _begun(
        self, body: Mapping[str, Any], usage: Usage
    ) -> tuple[AsyncIterator[str], str | None]:
        """A stream and its first piece. One that breaks before that is begun again; errors
        before the stream are repeated by the client itself."""
        async with asyncio.timeout(self.endpoint.timeout):
            for again in (not self.down, False):
                pieces = self._pieces(body, usage)
                try:
                    return pieces, await anext(pieces, None)
                except (openai.APIError, httpx2.HTTPError) as error:
                    await pieces.aclose()
                    if not again or isinstance(error, openai.APIStatusError):
                        raise
        raise AssertionError("unreachable")

    async def _next(self, pieces: AsyncIterator[str]) -> str | None:
        async with asyncio.timeout(self.endpoint.timeout):
            return await anext(pieces, None)

    async def _pieces(self, body: Mapping[str, Any], usage: Usage) -> Any:
        async with (
            self._client() as client,
            await client.chat.completions.create(**_apart(body), stream=True) as stream,
        ):
            async for chunk in stream:
                _count(chunk.usage, chunk, usage)
                for choice in chunk.choices[:1]:
                    if choice.delta.content:
                        yield choice.delta.content

    def _note(self, usage: Usage) -> None:
        if self._rests_until:
            log.info("model server %s answers again", self.endpoint.host)
            self._rests_until = 0.0
        self.caches = self.caches or usage.cached > 0

    def _explained(self) -> AbstractContextManager[None]:
        return _explained(self)

    def rest(self, why: str) -> None:
        """It could not be reached: leave it alone for a while."""
        if not self.down:
            log.warning("model server %s: %s", self.endpoint.host, why)
        self._rests_until = time.monotonic() + REST


@contextmanager
def _explained(server: Server) -> Iterator[None]:
    """Turns what can go wrong with a server into a line for people. No line has the key."""
    endpoint = server.endpoint
    where = f"the model server at {endpoint.host}"
    try:
        yield
    except (TimeoutError, openai.APITimeoutError, httpx2.TimeoutException) as error:
        server.rest("no answer in time")
        raise ReasonerError(
            f"{where} gave no answer for {endpoint.timeout:g} s: see whether it is overloaded, "
            "or raise --timeout"
        ) from error
    except Busy as error:
        raise ReasonerError(
            f"{endpoint.concurrency} requests to {where} were under way for all of "
            f"{endpoint.timeout:g} s: raise --concurrency, or add servers"
        ) from error
    except openai.APIStatusError as error:
        raise ReasonerError(f"{where} {_status(error, endpoint)}") from error
    except (openai.APIConnectionError, httpx2.TransportError) as error:
        why = _line(error.__cause__ or error)
        server.rest(why)
        raise ReasonerError(
            f"{where} cannot be reached ({why}): see whether it runs, and check --base-url"
        ) from error
    except (openai.APIError, httpx2.HTTPError) as error:
        raise ReasonerError(f"{where} broke off: {_line(error)}") from error


def _status(error: openai.APIStatusError, endpoint: Endpoint) -> str:
    said = _line(error)
    match error.status_code:
        case 401 | 403:
            named = endpoint.api_key_env
            key = f"check the key in {named}" if named else "name its variable with --api-key-env"
            return f"refuses the API key ({error.status_code}): {key}"
        case 404:
            return f"knows no such model or address: check --model and --base-url ({said})"
        case 429:
            return f"is overloaded (429): ask again later, or add servers ({said})"
        case code if code >= 500:
            return f"failed ({code}): see its log ({said})"
        case code:
            return f"refused the request ({code}): {said}"


def _line(error: BaseException) -> str:
    said = str(error)
    if isinstance(error, openai.APIStatusError):
        body = error.body
        if isinstance(body, Mapping):
            said = str(body.get("message") or body.get("detail") or said)
    text = " ".join(said.split()) or type(error).__name__
    return text if len(text) <= 300 else text[:300] + "..."


def _count(given: Any, whole: Any, usage: Usage) -> None:
    """Take over what the server counted: as OpenAI, vLLM and SGLang say it, or llama.cpp."""
    if given is not None:
        usage.prompt = given.prompt_tokens or 0
        usage.generated = given.completion_tokens or 0
        details = given.prompt_tokens_details
        usage.cached = (details.cached_tokens or 0) if details is not None else usage.cached
    timings = (whole.model_extra or {}).get("timings")
    if isinstance(timings, Mapping) and isinstance(timings.get("cache_n"), int):
        usage.cached = timings["cache_n"]


def _apart(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body as the client takes it: what only some servers know goes in beside."""
    beside = {k: body[k] for k in ("chat_template_kwargs",) if k in body}
    plain = {k: v for k, v in body.items() if k not in beside}
    return {**plain, "extra_body": beside} if beside else plain


async def _close(pieces: Any) -> None:
    await pieces.aclose()


@lru_cache(maxsize=1)
def _certificates() -> Any:
    """Made once: reading them takes as long as a short request."""
    return httpx2.create_ssl_context()
