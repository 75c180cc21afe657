"""The models of these tests."""

from __future__ import annotations

import time
from collections.abc import Iterator

from leveret import Context, File, Retry, model


@model(retries=2)
def echo(text: str, context: Context, size: int = 0, seconds: float = 0.0) -> Iterator[str | File]:
    context.progress(0.5)
    context.log(text[:10])
    yield text[:100]
    time.sleep(seconds)
    if text == "fail" and context.attempt == 1:
        raise Retry("not yet")
    if size:
        yield File(b"x" * size, name="large.bin")
