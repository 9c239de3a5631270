"""A folder for slow tokens that memory has no room for."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path


class SpillFolder:
    """Blobs as files in a folder (:class:`models.reasoning.slow.Blobs`).

    What lies there serves one run: a stream watched again makes its slow tokens again. So
    files left behind by an earlier run are removed, and nothing is synced to the disk.

    Args:
        folder: for this alone; made when something is written, and removed with this object.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.clear()
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def write(self, key: int, blob: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as file:
            part = Path(file.name)
            try:
                file.write(blob)
                file.flush()
                part.replace(self._path(key))
            except BaseException:
                part.unlink(missing_ok=True)
                raise

    def read(self, key: int) -> bytes | None:
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, key: int) -> None:
        self._path(key).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all blobs."""
        for pattern in ("*.safetensors", "*.part"):
            for path in self._folder.glob(pattern):
                path.unlink(missing_ok=True)

    def _path(self, key: int) -> Path:
        return self._folder / f"{key:08d}.safetensors"
