"""Where a model server is, and how it is to be used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from models.reasoning.reasoner import ReasonerError


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that speaks the OpenAI protocol: vLLM, SGLang, llama.cpp, ``transformers serve``.

    Attributes:
        base_url: such as ``http://localhost:8000/v1``; without a path, ``/v1`` is taken.
        model: as the server names it; None where it serves only one.
        api_key_env: the environment variable that holds the key. The key itself is neither kept
            here nor shown anywhere.
        timeout: seconds to the first piece of an answer, retries included, and from then on
            between two pieces.
        concurrency: most requests under way at once, of all streams of this process together.
        context_tokens: most tokens of a stream's running context, where the server holds more.
        notes: a note on each segment is asked for: most of what many streams ask of a server.
    """

    base_url: str
    model: str | None = None
    api_key_env: str | None = None
    timeout: float = 60.0
    concurrency: int = 8
    context_tokens: int = 16_384
    notes: bool = True

    def __post_init__(self) -> None:
        """
        Raises:
            ReasonerError: the address is none, or a number is out of range.
        """
        try:
            parts = urlsplit(self.base_url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ReasonerError(
                f"{hidden(self.base_url)} is not a server's address: it is like "
                "http://localhost:8000/v1"
            )
        if parts.username or parts.password:
            raise ReasonerError(
                f"{hidden(self.base_url)}: leave the name and password out of the address, and "
                "name the environment variable that holds the key with --api-key-env"
            )
        if not self.timeout > 0:
            raise ReasonerError(f"a timeout of {self.timeout:g} s leaves no time: give more than 0")
        if self.concurrency < 1:
            raise ReasonerError(f"{self.concurrency} requests at once are none: give at least 1")

    @property
    def url(self) -> str:
        parts = urlsplit(self.base_url.rstrip("/"))
        return urlunsplit(parts if parts.path else parts._replace(path="/v1"))

    @property
    def host(self) -> str:
        """Name and port, for messages."""
        return urlsplit(self.base_url).netloc

    def key(self) -> str:
        """The key from the environment; a word that says nothing where none is named.

        Raises:
            ReasonerError: the variable is not set.
        """
        if self.api_key_env is None:
            return "none"
        key = os.environ.get(self.api_key_env, "").strip()
        if not key:
            raise ReasonerError(
                f"the environment variable {self.api_key_env} is not set: put the server's API "
                "key there"
            )
        return key


def hidden(url: str) -> str:
    """An address without what may be a name and a password in it."""
    before, at, after = url.rpartition("@")
    return f"{before.partition('//')[0]}//...@{after}" if at else url
