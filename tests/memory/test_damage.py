"""A session whose bytes were damaged on the disk says so, with its name and what to do."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from memory.memory import Memory
from memory.store import StoreError
from tests.bench.mutations import hashed, session_base


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return session_base(tmp_path_factory.mktemp("session") / "base.onlooker")


READ: tuple[Callable[[Memory], object], ...] = (
    lambda memory: memory.segments(),
    lambda memory: memory.turns(),
    lambda memory: memory.gaps(0.0, 1000.0),
)


@pytest.mark.parametrize(
    ("damage", "read"),
    [
        ("UPDATE observations SET payload = '{\"tim' WHERE kind = 'look'", 0),
        ("UPDATE observations SET payload = replace(payload, 'time', 'tame')", 0),
        ("UPDATE observations SET payload = '[]' WHERE kind = 'note'", 0),
        ("UPDATE observations SET payload = replace(payload, 'written', 'wr)tten')", 0),
        ("UPDATE observations SET kind = 'loop' WHERE kind = 'look'", 0),
        ("UPDATE observations SET payload = CAST(x'ffcc' AS TEXT)", 0),
        ("UPDATE media SET tensors = x'0123456789abcdef'", 0),
        ("UPDATE turns SET segments = '[null]'", 1),
        ("UPDATE turns SET vector = x'09'", 1),
        ("UPDATE observations SET payload = '{}' WHERE kind = 'gap'", 2),
    ],
)
def test_what_cannot_be_read_is_told_with_the_file_and_what_to_do(
    tmp_path: Path, sound: bytes, damage: str, read: int
) -> None:
    path = tmp_path / "s.onlooker"
    path.write_bytes(sound)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(damage)
    with Memory.open(path, hashed, read_only=True) as memory, pytest.raises(StoreError) as told:
        READ[read](memory)
    message = str(told.value)
    assert "s.onlooker: cannot read: " in message
    assert "damaged" in message and "restore it from a copy" in message
    assert "__init__" not in message


def test_damaged_text_in_sqlites_own_messages_is_told(tmp_path: Path, sound: bytes) -> None:
    path = tmp_path / "s.onlooker"
    path.write_bytes(sound.replace(b"CREATE TABLE segments", b"CREATE TABL\xff segments"))
    with pytest.raises(StoreError, match="damaged"):
        Memory.open(path, hashed)
