"""Certificates: for how long those of the broker and of the store can still be believed."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from typing import Final

from leveret.backends.findings import Finding, Level
from leveret.tls import Files, to_server

SOON: Final = 21.0
"""Days before its end from which on a certificate should have been renewed."""

_DAY: Final = 86_400.0
_GOODBYE: Final = 2.0
"""Seconds for the other side to say that it has heard the end."""


async def examine(part: str, host: str, port: int, files: Files) -> list[Finding]:
    """What there is to say of the certificate there; nothing, if it cannot be had: others say why."""
    try:
        _, writer = await asyncio.open_connection(host, port, ssl=to_server(files), ssl_shutdown_timeout=_GOODBYE)
    except OSError:
        return []
    certificate = writer.get_extra_info("peercert")
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    until = certificate.get("notAfter") if isinstance(certificate, dict) else None
    if not isinstance(until, str):
        return []
    return [judged(part, host, (ssl.cert_time_to_seconds(until) - time.time()) / _DAY)]


def judged(part: str, host: str, days: float) -> Finding:
    """What it means that it can be believed for so many days."""
    says = f"the certificate of {host} is good for {days:.0f} days"
    if days < SOON:
        return Finding(part, Level.WARNING, says, "renew it there")
    return Finding(part, Level.FINE, says)
