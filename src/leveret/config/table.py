"""The table: a row for each option, from which the flags, the variables and the docs are made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from leveret.config.settings import Settings

Value: TypeAlias = str | int | float | bool

PREFIX: Final = "LEVERET_"


class Option(Struct, frozen=True):
    """One row of the table."""

    name: str
    kind: type
    default: Value
    help: str
    form: object
    """Its type with all that restricts its values."""

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.name.replace(".", "_").upper()

    @property
    def flag(self) -> str:
        """Its name on the command line; what concerns the gateway needs no prefix."""
        return "--" + self.name.removeprefix("gateway.").replace(".", "-").replace("_", "-")


def options() -> Iterator[Option]:
    """Every option, by its dotted name."""
    yield from _options(Settings, "")


def variables(settings: Settings, *sections: str) -> dict[str, str]:
    """The environment in which another process has these settings; the section "" is what stands at the top."""
    given: dict[str, str] = {}
    for row in options():
        section, _, name = row.name.rpartition(".")
        if section in sections:
            value: Value = getattr(getattr(settings, section) if section else settings, name)
            given[row.variable] = str(value).lower() if isinstance(value, bool) else str(value)
    return given


def _options(section: type[Struct], prefix: str) -> Iterator[Option]:
    for info in msgspec.structs.fields(section):
        if isinstance(info.type, type) and issubclass(info.type, Struct):
            yield from _options(info.type, f"{info.name}.")
        else:
            text = msgspec.inspect.type_info(info.type)
            extra = text.extra_json_schema or {} if isinstance(text, msgspec.inspect.Metadata) else {}
            help_text = str(extra.get("description", ""))
            yield Option(prefix + info.name, type(info.default), info.default, help_text, info.type)
