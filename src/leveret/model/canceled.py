"""Canceled: what is raised in a model whose run shall stop."""

from __future__ import annotations


class Canceled(BaseException):
    """Raised in the middle of a run whose prediction was canceled, or that has taken longer than the model's timeout.

    It is not an `Exception`, so that it is not swallowed. There is no need to catch it: `finally` blocks run, and then
    the next prediction.
    """
