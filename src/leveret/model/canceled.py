"""Canceled: what is raised in a model whose prediction is no longer wanted."""

from __future__ import annotations


class Canceled(BaseException):
    """Raised in the middle of a run whose prediction was canceled; not an `Exception`, so that it is not swallowed.

    There is no need to catch it: `finally` blocks run, and then the next prediction.
    """
