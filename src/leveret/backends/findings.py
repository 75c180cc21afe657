"""Findings: what an examination of a deployment has found, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final
from urllib.parse import unquote, urlsplit

from msgspec import Struct

_PASSWORD: Final = re.compile(r"://[^/@]*?:([^@]*)@")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Level(StrEnum):
    """How bad it is: fine, should be mended, or does not work or loses what was accepted."""

    FINE = "fine"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(Struct, frozen=True):
    """What was found in a part of the deployment; `fix` says what to do, if that is anything."""

    part: str
    level: Level
    says: str
    fix: str = ""


def shown(url: str) -> str:
    """The URL without its password."""
    return _PASSWORD.sub(lambda found: found[0].replace(f":{found[1]}@", ":***@"), url)


def masked(finding: Finding, urls: Sequence[str]) -> Finding:
    """The finding without the passwords in these URLs, whoever has put one into a message."""
    secrets = {found for url in urls for found in _PASSWORD.findall(url) if found}
    secrets |= {unquote(secret) for secret in secrets}
    says, fix = finding.says, finding.fix
    for secret in sorted(secrets, key=len, reverse=True):
        says, fix = says.replace(secret, "***"), fix.replace(secret, "***")
    return Finding(finding.part, finding.level, says, fix)


def in_the_clear(part: str, url: str, *, setting: str, scheme: str) -> list[Finding]:
    """Whether passwords leave this machine without TLS."""
    try:
        parts = urlsplit(url)
        far = parts.hostname not in _LOOPBACK and parts.scheme in {"amqp", "redis"}
    except ValueError:
        return []
    if not far:
        return []
    says = f"passwords and data travel to {parts.hostname} in the clear"
    return [Finding(part, Level.WARNING, says, f"use TLS: begin {setting} with {scheme}")]
