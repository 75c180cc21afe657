"""The exchange: the folder through which the files of one run come to the model and leave it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from leveret.core import spooled
from leveret.core.spooled import Spooled


class Exchange:
    """The folder of one run, below that of its worker; it is made when there is something to put into it."""

    def __init__(self, spool: Path, *, prediction_id: str, attempt: int) -> None:
        self._spool = spool
        self._run = (prediction_id, attempt)

    def find(self, text: str) -> tuple[Path, Spooled] | None:
        """The file that an input names, put there by the worker; None if the text names none."""
        named = spooled.read(text)
        return None if named is None else (self._folder / named.token, named)

    def place(self, ending: str) -> Path:
        """Where a file with such an ending can be put."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / spooled.token(os.urandom(16), ending)

    def give(self, content: bytes | Path, *, content_type: str, name: str) -> str:
        """Hand over this content, which is copied; answers what stands for it in the output."""
        place = self.place(Path(name).suffix)
        if isinstance(content, Path):
            shutil.copyfile(content, place)
        else:
            place.write_bytes(content)
        return spooled.write(Spooled(place.name, content_type, name))

    @property
    def _folder(self) -> Path:
        return self._spool / spooled.folder(*self._run)
