"""Settings: one table of options, read from leveret.toml, LEVERET_* and flags, each over the one before.

The structs of `sections` and `settings` are the table: every field is an option with its default and its help. An
option of a section is `[section] name` in the file and `LEVERET_SECTION_NAME` in the environment; one of `Settings`
itself stands at the top of the file and is `LEVERET_NAME`. Unknown options are refused, whoever gives them.
"""

from __future__ import annotations

from typing import Final

from leveret.config.load import FILE, FOR_CLIENTS, Given, load
from leveret.config.sections import (
    GatewaySettings,
    LimitSettings,
    OutboundSettings,
    SweeperSettings,
    WebhookSettings,
    WorkerSettings,
)
from leveret.config.settings import Settings
from leveret.config.table import Option, Value, options, variables

GATEWAY_URL: Final = "http://127.0.0.1:8000"
"""Where clients look for a gateway if nobody tells them."""

__all__ = [
    "FILE",
    "FOR_CLIENTS",
    "GATEWAY_URL",
    "GatewaySettings",
    "Given",
    "LimitSettings",
    "Option",
    "OutboundSettings",
    "Settings",
    "SweeperSettings",
    "Value",
    "WebhookSettings",
    "WorkerSettings",
    "load",
    "options",
    "variables",
]
