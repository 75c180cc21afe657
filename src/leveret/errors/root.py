"""The root of the tree of errors."""

from __future__ import annotations

from typing import ClassVar


class LeveretError(Exception):
    """The root: `code` is stable, `status` is the HTTP status, `message` is filled from the keyword data."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    message: ClassVar[str] = "something went wrong inside Leveret; its log has the details"

    def __init__(self, **data: object) -> None:
        self.data = data
        super().__init__(self.message.format_map(data))
