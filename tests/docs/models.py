"""The models that the pages speak of, as small as they can be."""

from collections.abc import Iterator

from pydantic import BaseModel

from leveret import File, model


class Style(BaseModel):
    """How something is drawn."""

    lines: list[int] = []


@model(name="acme/ocr")
def acme_ocr(image: File, min_score: float = 0.5, language: str = "en") -> list[str]:
    return [f"{len(image.read())} bytes", language] if min_score < 1 else []


@model
def ocr(image: File) -> list[str]:
    return [f"{len(image.read())} bytes"]


@model
def factorial(n: int) -> str:
    product = 1
    for factor in range(2, min(n, 1000) + 1):
        product *= factor
    return str(product)


@model
def textgen(prompt: str) -> Iterator[str]:
    yield prompt
    yield from (" upon", " a", " time")


@model
def embed(texts: list[str]) -> list[list[float]]:
    return [[float(len(text))] for text in texts]


@model
def draw(style: Style) -> File:
    return File(b"\x89PNG\r\n\x1a\n" + bytes(style.lines), "image/png", "drawing.png")


@model
def broken(text: str) -> str:
    raise ValueError(text)
