"""Flags, environment and file: the same names, in that order of precedence; and the log."""

from __future__ import annotations

import inspect
import io
import json
import logging
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from app import cli
from app.engine_options import choosing
from app.logs import Format, JsonLines, Level, log_as
from app.settings import Settings, SettingsError, defaults, for_commands
from pipeline.engine import Choice


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "onlooker.toml"
    monkeypatch.setenv("ONLOOKER_CONFIG", str(path))
    return path


@pytest.fixture(autouse=True)
def logging_as_before() -> Any:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers, root.level = before
    logging.getLogger("onlooker").setLevel(logging.NOTSET)


def got(*flags: str) -> dict[str, Any]:
    """What a command gets that takes an engine and a port."""
    seen: dict[str, Any] = {}
    app = typer.Typer()

    @app.command()
    @choosing
    def web(port: Annotated[int, typer.Option()] = 7860, choice: Choice = cli.EMBEDDED) -> None:
        seen.update(port=port, choice=choice)

    app.callback()(lambda: None)
    given = for_commands(defaults())
    done = CliRunner().invoke(app, ["web", *flags], default_map=given)
    assert done.exit_code == 0, done.output
    return seen


def test_every_setting_is_an_option_of_that_name_and_web_has_no_other() -> None:
    options = set(inspect.signature(cli.web).parameters)
    assert set(Settings.model_fields) == options


def test_a_flag_is_before_the_environment_that_before_the_file_and_that_before_the_default(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('engine = "remote"\nport = 1\ntimeout = 5\nmodel = "of the file"\n')
    monkeypatch.setenv("ONLOOKER_TIMEOUT", "6.5")
    monkeypatch.setenv("ONLOOKER_PORT", "2")
    seen = got("--port", "3")
    assert seen["port"] == 3
    assert seen["choice"].timeout == 6.5
    assert (seen["choice"].name, seen["choice"].model) == ("remote", "of the file")
    assert seen["choice"].concurrency == Choice().concurrency


def test_nothing_set_is_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONLOOKER_CONFIG", raising=False)
    assert got() == {"port": 7860, "choice": Choice()}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prot = 1\n", "prot"),
        ('port = "many"\n', "port"),
        ('fallback = "transformers"\n', "fallback"),
        ("port = \n", "TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_told_with_its_name(file: Path, text: str, told: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError, match=told) as error:
        defaults()
    assert str(file) in str(error.value)


def test_a_file_that_is_not_there_is_told(file: Path) -> None:
    with pytest.raises(SettingsError, match="no file"):
        defaults()


def test_the_log_in_json_is_one_object_a_line_with_what_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    log_as(Format.json, Level.info)
    log = logging.getLogger("onlooker.session")
    log.info("said %s\nand more", "this", extra={"kind": "source", "stream_time": 1.5})
    log.debug("not this")
    logging.getLogger("another").info("nor this")
    try:
        raise ValueError("wrong")
    except ValueError:
        log.exception("failed")
    first, second = (json.loads(line) for line in written.getvalue().splitlines())
    assert first["message"] == "said this\nand more"
    assert (first["level"], first["logger"]) == ("info", "onlooker.session")
    assert (first["kind"], first["stream_time"]) == ("source", 1.5)
    assert first["time"].endswith("Z")
    assert "ValueError: wrong" in second["exception"]


def test_what_cannot_be_put_in_json_is_put_in_words() -> None:
    record = logging.makeLogRecord({"msg": "x", "path": Path("a/b")})
    assert json.loads(JsonLines().format(record))["path"] == str(Path("a/b"))
