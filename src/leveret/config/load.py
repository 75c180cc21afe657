"""Loading: defaults, then leveret.toml, then LEVERET_*, then flags, each over the one before."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from leveret.config.sections import OutboundSettings, WorkerSettings
from leveret.config.settings import Settings
from leveret.config.table import PREFIX, Option, Value, options
from leveret.errors import InvalidSetting

Given: TypeAlias = Mapping[str, Value]
"""Options by their dotted name, such as `gateway.port`."""

FILE: Final = Path("leveret.toml")

FOR_CLIENTS: Final = frozenset(
    {
        "LEVERET_URL",
        "LEVERET_TOKEN",
        "LEVERET_CA",
        "LEVERET_CERTIFICATE",
        "LEVERET_KEY",
        "LEVERET_WEBHOOK_SECRET",
    }
)
"""Variables that are no options of a process here: they tell clients where a gateway is, who they are, and whom they
believe."""


def load(
    *,
    environment: Mapping[str, str],
    flags: Given,
    file: Path = FILE,
) -> Settings:
    """The settings: defaults, then the file if there is one, then the environment, then flags.

    Raises InvalidSetting.
    """
    rows = {row.name: row for row in options()}
    merged: dict[str, Value] = {}
    sources: dict[str, str] = {}
    for source, given in (
        (str(file), _from_file(file)),
        ("the environment", _from_environment(environment, rows)),
        ("the command line", flags),
    ):
        for name, value in given.items():
            if name not in rows:
                raise InvalidSetting(
                    name=name, source=source, reason="there is no such option; `leveret serve --help` lists them"
                )
            merged[name] = _converted(rows[name], value, source)
            sources[name] = source
    settings = _built(merged)
    _check_beat(settings.worker, sources)
    _check_networks(settings.outbound, sources)
    return settings


def _from_file(file: Path) -> Given:
    if not file.is_file():
        return {}
    try:
        content = tomllib.loads(file.read_text())
    except OSError as error:
        raise InvalidSetting(name="(all)", source=str(file), reason=f"it cannot be read: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSetting(name="(all)", source=str(file), reason=f"it is not TOML: {error}") from error
    flat: dict[str, Value] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            flat.update({f"{name}.{key}": inner for key, inner in value.items()})
        else:
            flat[name] = value
    return flat


def _from_environment(environment: Mapping[str, str], rows: Mapping[str, Option]) -> Given:
    names = {row.variable: row.name for row in rows.values()}
    return {
        names.get(variable, variable): value
        for variable, value in environment.items()
        if variable.startswith(PREFIX) and variable not in FOR_CLIENTS
    }


def _converted(row: Option, value: Value, source: str) -> Value:
    try:
        converted: Value = msgspec.convert(value, row.form, strict=not isinstance(value, str))
    except msgspec.ValidationError as error:
        raise InvalidSetting(name=row.name, source=source, reason=str(error)) from error
    if isinstance(converted, float) and not math.isfinite(converted):
        raise InvalidSetting(name=row.name, source=source, reason="it must be finite")
    return converted


def _built(merged: Mapping[str, Value]) -> Settings:
    tree: dict[str, Value | dict[str, Value]] = {}
    for name, value in merged.items():
        section, _, key = name.rpartition(".")
        if section:
            inner = tree.setdefault(section, {})
            assert isinstance(inner, dict)  # noqa: S101 - sections and options never share a name
            inner[key] = value
        else:
            tree[name] = value
    return msgspec.convert(tree, Settings)


def _check_beat(worker: WorkerSettings, sources: Mapping[str, str]) -> None:
    """One sign of life may be late or lost without the lease running out."""
    if 2 * worker.beat >= worker.lease:
        name = "worker.beat" if "worker.beat" in sources else "worker.lease"
        raise InvalidSetting(
            name=name,
            source=sources.get(name, "the defaults"),
            reason=f"worker.beat ({worker.beat:g} s) must be less than half of worker.lease ({worker.lease:g} s)",
        )


def _check_networks(outbound: OutboundSettings, sources: Mapping[str, str]) -> None:
    try:
        for network in filter(None, outbound.allow.split(",")):
            ip_network(network.strip())
    except ValueError as error:
        raise InvalidSetting(
            name="outbound.allow", source=sources.get("outbound.allow", "the defaults"), reason=str(error)
        ) from error
