"""The dashboard: the page at `/` for people, made of static files. Whatever it shows it asks the public API for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from leveret.errors import PathNotFound

FOLDER: Final = Path(__file__).parent.parent / "dashboard"

_PAGE: Final = "index.html"
_TYPES: Final = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: its own parts, this gateway's answers, and the files in inputs and outputs."""

_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
    "Vary": "Accept",
}

_encoder: Final = msgspec.json.Encoder()


class Asset(Struct, frozen=True):
    """A file of the dashboard."""

    content: bytes
    media_type: str
    etag: str


class About(Struct, frozen=True):
    """What a program is told that comes to `/`."""

    name: str
    version: str
    api: str = "/v1"
    openapi: str = "/openapi.json"
    asyncapi: str = "/asyncapi.json"
    reference: str = "/docs"


async def page(request: Request) -> Response:
    """The page, or for programs that ask for JSON where to go on."""
    if _wants_json(request.headers.get("accept", "")):
        about = About("leveret", version("leveret"))
        return Response(_encoder.encode(about), headers={"Vary": "Accept"}, media_type="application/json")
    return _answer(request, assets()[_PAGE])


async def part(request: Request) -> Response:
    """What the page consists of. Raises PathNotFound."""
    found = assets().get(str(request.path_params["name"]))
    if found is None:
        raise PathNotFound(path=request.url.path)
    return _answer(request, found)


@lru_cache(maxsize=1)
def assets() -> Mapping[str, Asset]:
    """All files by their paths in the folder, read once: no request ever becomes a path on the disk."""
    files = sorted(path for path in FOLDER.rglob("*") if path.suffix in _TYPES)
    return {path.relative_to(FOLDER).as_posix(): _asset(path) for path in files}


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    return Asset(content, _TYPES[path.suffix], f'"{sha256(content).hexdigest()[:32]}"')


def _answer(request: Request, asset: Asset) -> Response:
    headers = {**_HEADERS, "ETag": asset.etag}
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(asset.content, headers=headers, media_type=asset.media_type)


def _wants_json(accept: str) -> bool:
    kinds = {kind.partition(";")[0].strip().lower() for kind in accept.split(",")}
    return "application/json" in kinds and "text/html" not in kinds
