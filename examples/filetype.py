"""What kind of file it is, by its content: Google's Magika, whose wheel brings the network along. Batched.

    pip install 'leveret[examples]'
    leveret serve examples/filetype.py

    curl -s -H 'Prefer: wait' -H 'Content-Type: application/json' \
      -d '{"input": {"data": "data:;base64,'$(base64 -w0 examples/filetype.py)'"}}' \
      http://127.0.0.1:8000/v1/models/local/filetype/predictions

Each client sends one file. Up to 32 that come within 5 ms go through the network together.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from magika import Magika

from leveret import File, model


@dataclass
class Kind:
    """A kind of file: `label` is Magika's name for it, `score` how sure it is, from 0 to 1."""

    label: str
    description: str
    mime_type: str
    score: float


@model(name="filetype", batch=32, batch_window=0.005)
class FileType:
    """The kind of a file, by its content alone."""

    def setup(self) -> None:
        """Load the network."""
        self.magika = Magika()

    def predict(self, data: list[File]) -> list[Kind]:
        """Tell the kinds of these files."""
        with TemporaryDirectory() as folder:  # Magika batches files on disk, but not bytes
            paths = [Path(folder, str(number)) for number in range(len(data))]
            for path, file in zip(paths, data, strict=True):
                path.write_bytes(file.read())
            results = self.magika.identify_paths(paths)
        return [
            Kind(str(result.output.label), result.output.description, result.output.mime_type, result.score)
            for result in results
        ]
