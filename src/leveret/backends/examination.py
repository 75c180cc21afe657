"""The examination of a deployment: all that one process of it would meet, looked at and tried out before it does."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from leveret.backends.findings import Finding, Level, masked
from leveret.backends.roles import Duties
from leveret.config import Settings

_LITTLE: Final = 1024**3
"""Bytes below which a disk counts as nearly full."""


async def examine(settings: Settings, duties: Duties) -> list[Finding]:
    """What there is to say, without any password in it. Nothing is changed. Raises InvalidSetting."""
    found = _embedded(settings) if settings.embedded else await _distributed(settings, duties)
    if settings.blobs_dir and duties.stores:
        found += _folder("blobs", "blobs_dir", Path(settings.blobs_dir))
    return [masked(finding, [*settings.broker_url.split(","), settings.store_url]) for finding in found]


async def _distributed(settings: Settings, duties: Duties) -> list[Finding]:
    from leveret.backends.rabbitmq import examination as broker  # noqa: PLC0415 - drivers are imported when chosen
    from leveret.backends.redis import examination as store  # noqa: PLC0415

    found: list[Finding] = []
    if settings.broker_url:
        files, namespace = settings.broker_tls, settings.namespace
        found += await broker.examine(settings.broker_url, duties, namespace=namespace, files=files)
    else:
        found.append(_unset("broker", "broker_url"))
    if settings.store_url.startswith(("https://", "http://")):
        found.append(Finding("store", Level.FINE, "it is behind a gateway, which is to be examined where it runs"))
    elif settings.store_url:
        files, namespace = settings.store_tls, settings.namespace
        found += await store.examine(settings.store_url, duties, namespace=namespace, files=files)
    elif duties.stores:
        found.append(_unset("store", "store_url"))
    return found


def _embedded(settings: Settings) -> list[Finding]:
    says = "everything runs in one process, with neither RabbitMQ nor Redis"
    return [Finding("broker", Level.FINE, says), *_folder("store", "data_dir", Path(settings.data_dir))]


def _folder(part: str, name: str, folder: Path) -> list[Finding]:
    """Whether the folder, or the one in which it would be made, can be used."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        fix = f"let this user write to {there}, or set {name}"
        return [Finding(part, Level.PROBLEM, f"the folder {folder} cannot be written to", fix)]
    free = shutil.disk_usage(there).free
    if free < _LITTLE:
        says = f"the disk of the folder {folder} has only {free / 1024**2:.0f} MiB left"
        return [Finding(part, Level.WARNING, says, "make room on it")]
    return [Finding(part, Level.FINE, f"the folder {folder} can be written to")]


def _unset(part: str, name: str) -> Finding:
    return Finding(part, Level.PROBLEM, f"{name} is not set", f"set LEVERET_{name.upper()}, or neither URL")
