"""`leveret doctor`: whether a deployment is as it should be, and what to do where it is not."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Annotated, Final

import typer
from msgspec.structs import asdict

from leveret import config
from leveret.backends.examination import examine
from leveret.backends.findings import Finding, Level
from leveret.backends.roles import Duties, Role
from leveret.cli.output import dump, tell
from leveret.cli.permissions import Models, owned
from leveret.cli.remote import Json, connected
from leveret.errors import LeveretError, ScopeMissing, Unauthenticated

MENDABLE: Final = 1
"""The exit code when it works, but something should be mended."""

BROKEN: Final = 2
"""The exit code when something does not work, or loses what was accepted."""

_WORDS: Final = {Level.FINE: "ok     ", Level.WARNING: "warning", Level.PROBLEM: "problem"}


def doctor(
    *,
    role: Annotated[Role, typer.Option("--role", help="whose user the URLs name")] = Role.SERVE,
    model: Models = None,
    url: Annotated[str, typer.Option("--url", envvar="LEVERET_URL", help="a gateway to be asked, too")] = "",
    json: Json = False,
) -> None:
    """Look at RabbitMQ and Redis as the settings name them: versions, rights, durability, clocks. Changes nothing."""
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # a refusal is an answer here
    settings = config.load(environment=os.environ, flags={})
    duties = Duties(role, owned(model), replies=settings.worker.replies)
    found = asyncio.run(examine(settings, duties)) + ([_gateway(url)] if url else [])
    if json:
        dump([asdict(finding) for finding in found])
    else:
        tell("\n".join(map(_line, found)))
    levels = {finding.level for finding in found}
    if Level.PROBLEM in levels:
        raise typer.Exit(BROKEN)
    if Level.WARNING in levels:
        raise typer.Exit(MENDABLE)


def _gateway(url: str) -> Finding:
    """Whether it answers."""
    try:
        with connected(url) as client:
            models = client.models()
    except (Unauthenticated, ScopeMissing):
        return Finding("gateway", Level.FINE, f"{url} answers, and wants another key than LEVERET_TOKEN")
    except LeveretError as error:
        return Finding("gateway", Level.PROBLEM, str(error))
    return Finding("gateway", Level.FINE, f"{url} answers, and knows {len(models)} models")


def _line(finding: Finding) -> str:
    fix = f"\n         to do: {finding.fix}" if finding.fix else ""
    return f"{_WORDS[finding.level]}  {finding.part}: {finding.says}{fix}"
