"""Completion: what the shell may write for whoever presses Tab."""

from __future__ import annotations

import os

from leveret.cli.remote import connected
from leveret.config import GATEWAY_URL
from leveret.errors import LeveretError


def models(incomplete: str) -> list[str]:
    """The models that the gateway serves. Who has no gateway is not kept waiting for one, nor told about it."""
    try:
        with connected(os.environ.get("LEVERET_URL") or GATEWAY_URL, patience=0.0, timeout=1.0) as client:
            names = [model.id for model in client.models()]
    except LeveretError:
        return []
    short = [name.removeprefix("local/") for name in names]
    fitting = [name for name in names if name.startswith(incomplete)]
    return fitting or [name for name in short if name.startswith(incomplete)]
