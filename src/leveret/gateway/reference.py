"""The reference: a page that shows the OpenAPI document of this gateway to people. It needs no other server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from leveret.errors import PathNotFound

_FOLDER: Final = Path(__file__).parent / "assets"
_PAGE: Final = _FOLDER / "reference.html"

_PARTS: Final[Mapping[str, tuple[Path, str]]] = {
    "reference.css": (_FOLDER / "reference.css", "text/css"),
    "reference.js": (_FOLDER / "reference.js", "text/javascript"),
    "swagger-ui.css": (_FOLDER / "swagger" / "swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": (_FOLDER / "swagger" / "swagger-ui-bundle.js", "text/javascript"),
}

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: its own parts, and this gateway's answers. Swagger UI sets styles on its elements."""

_HEADERS: Final = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}


async def page(_request: Request) -> Response:
    """The page."""
    return FileResponse(_PAGE, media_type="text/html", headers=_HEADERS)


async def part(request: Request) -> Response:
    """What the page consists of. Raises PathNotFound."""
    known = _PARTS.get(request.path_params["name"])
    if known is None:
        raise PathNotFound(path=request.url.path)
    path, media_type = known
    return FileResponse(path, media_type=media_type, headers=_HEADERS)
