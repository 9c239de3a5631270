"""What the commands' options are where they are not given: from the environment, or a file.

A flag is taken before the environment, that before the file, and that before the default. All
three have the same names: ``--max-sessions 8``, ``ONLOOKER_MAX_SESSIONS=8``, and in the TOML file
that ``ONLOOKER_CONFIG`` names ``max_sessions = 8``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

CONFIG = "ONLOOKER_CONFIG"


class SettingsError(Exception):
    """A setting is wrong; the message says which, where, and why."""


class Settings(BaseSettings):
    """Every option that does not belong to one question or one source; see ``--help``."""

    model_config = SettingsConfigDict(env_prefix="ONLOOKER_", extra="forbid", env_ignore_empty=True)

    engine: str | None = None
    model: str | None = None
    dtype: str | None = None
    device_map: str | None = None
    quantise: Literal["8bit", "4bit"] | None = None
    attention: Literal["flash", "sdpa", "eager"] | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    timeout: float | None = None
    concurrency: int | None = None
    fallback: Literal["embedded"] | None = None
    notes: bool | None = None
    gaze_cues: str | None = None
    plain: bool | None = None
    host: str | None = None
    port: int | None = None
    max_sessions: int | None = None
    auth: str | None = None
    https: bool | None = None
    allow_paths: bool | None = None
    allow_private: bool | None = None
    webhook: str | None = None
    keep_days: float | None = None
    log_format: Literal["text", "json"] | None = None
    log_level: Literal["debug", "info", "warning", "error"] | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        named = os.environ.get(CONFIG)
        if not named:
            return (env_settings,)
        return env_settings, TomlConfigSettingsSource(settings_cls, Path(named))


def defaults() -> dict[str, Any]:
    """What the environment and the file set, by the options' names.

    Raises:
        SettingsError: the file cannot be read, or a setting is unknown or of the wrong kind.
    """
    named = os.environ.get(CONFIG)
    where = f"{named} or the environment" if named else "the environment"
    if named and not Path(named).is_file():
        raise SettingsError(f"{CONFIG} names {named}, which is no file")
    try:
        given = Settings()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"settings in {where}: {wrong}") from error
    except (OSError, ValueError) as error:  # of TOML
        raise SettingsError(f"{named} cannot be read as TOML: {error}") from error
    return given.model_dump(exclude_unset=True, exclude_none=True)


def for_commands(given: dict[str, Any]) -> dict[str, Any]:
    """As the command line wants it: the settings for every command; each takes its own."""
    return {**dict.fromkeys(("ask", "watch", "web"), given), "score": {"run": given}}
