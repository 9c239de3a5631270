"""What Onlooker logs, and how: a line for people, or one JSON object a line for machines."""

from __future__ import annotations

import json
import logging
import sys
import time
from enum import StrEnum
from typing import Annotated

import typer

_PLAIN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime"}
"""What every record has; the rest was given with ``extra``."""


class Format(StrEnum):
    text = "text"
    json = "json"


class Level(StrEnum):
    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


LogFormat = Annotated[Format, typer.Option("--log-format", help="Of the log on the error stream.")]
LogLevel = Annotated[Level, typer.Option("--log-level", help="What is logged.")]


class JsonLines(logging.Formatter):
    """One object a line: when, how grave, who, what, and all that was given with ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{moment}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {k: v for k, v in vars(record).items() if k not in _PLAIN}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def log_as(log_format: LogFormat = Format.text, log_level: LogLevel = Level.warning) -> None:
    """Log to the error stream from now on: Onlooker from ``log_level``, and of all libraries
    what is a warning or worse. A second call replaces the first."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonLines()
        if log_format is Format.json
        else logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("onlooker").setLevel(log_level.value.upper())
