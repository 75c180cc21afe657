"""The models that the tests of the dashboard run: one for each thing that it shows."""

from __future__ import annotations

import io
import math
import os
import signal
import struct
import time
import wave
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from leveret import Context, File, model


class Style(BaseModel):
    """How a picture is painted."""

    colour: str = "amber"
    weight: Annotated[float, Field(ge=0)] = 1.0


@model
def shout(
    text: str,
    times: Annotated[int, Field(ge=1, le=20, description="how often it is said")] = 1,
    tone: Literal["calm", "loud"] = "calm",
    polite: bool = True,
    tags: list[str] = [],  # noqa: B006  # a default as users write them
) -> str:
    """Says it again, louder."""
    said = " ".join([text.upper()] * times)
    return " ".join([said, "please"] if polite else [said]) + f" ({tone}, {len(tags)} tags)"


@model
def tell(prompt: str, until: str = "") -> Iterator[str]:
    """Tells a story, a word at a time; waits before its end for a file to be there."""
    print("the story begins")  # noqa: T201  # it becomes the logs
    yield from (prompt, " there", " was", " a", " hare")
    while until and not Path(until).exists():
        time.sleep(0.02)
    yield " who slept."


@model(name="acme/paint")
def paint(prompt: str, count: Annotated[int, Field(ge=1, le=4)] = 1, style: Style | None = None) -> list[File]:
    """Paints pictures from a few words."""
    return [File(_picture(hue=80 * number), "image/png", f"picture-{number}.png") for number in range(count)]


@model(name="acme/hum")
def hum(pitch: float = 440.0) -> File:
    """Hums a tone."""
    waves = [int(9000 * math.sin(2 * math.pi * pitch * step / 8000)) for step in range(4000)]
    sound = io.BytesIO()
    with wave.open(sound, "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
        writer.writeframes(struct.pack(f"<{len(waves)}h", *waves))
    return File(sound.getvalue(), "audio/wav", "hum.wav")


@model
def measure(image: File, label: str | None = None) -> dict[str, object]:
    """Measures a file."""
    return {"bytes": len(image.read()), "type": image.content_type, "label": label}


@model
def ponder(seconds: float, context: Context) -> str:
    """Takes its time."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        context.progress(max(0.0, 1 - left / seconds), "counting hares")
        time.sleep(0.05)
    return "done"


@model
def fail(reason: str = "no hare was found") -> str:
    """Fails."""
    print("about to fail")  # noqa: T201  # it becomes the logs
    raise ValueError(reason)


@model(retries=1)
def crash(text: str = "boom") -> str:
    """Kills its process."""
    os.kill(os.getpid(), signal.SIGKILL)
    return text


def _picture(*, hue: int, width: int = 240, height: int = 160) -> bytes:
    rows = b"".join(
        b"\0" + b"".join(bytes((255 * x // width, 255 * y // height, hue)) for x in range(width)) for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
