"""Inputs: checked against the schema on the model's card before anything is stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

import jsonschema_rs
import msgspec
import structlog
from jsonschema_rs import ValidationErrorKind as Kind
from msgspec import Raw, Struct

from leveret.core.card import Card
from leveret.core.places import Json, Places
from leveret.errors import InvalidInput, InvalidRequest
from leveret.gateway.body import decode

EXHAUSTIVE: Final = 64 * 1024
"""Inputs up to this size, in bytes, are told every problem, larger ones the first: finding one costs 5 to 10 µs."""

LISTED: Final = 100
"""How many problems one answer lists; its summary counts the others."""

_SUBJECT: Final = "the value"
"""What messages say in place of the value itself, which may be long or secret."""

_Path: TypeAlias = Sequence[str | int]

_log = structlog.get_logger()
_decoder: Final = msgspec.json.Decoder()


class InputProblem(Struct, frozen=True):
    """One place where the input does not fit: `path` is a JSON pointer into the body."""

    path: str
    message: str


class InputSchema:
    """What the input of one version of a model must look like, compiled once."""

    def __init__(self, card: Card) -> None:
        self.places = Places(card.input_schema)
        self._model = card.model
        self._validator = _compiled(card)

    def check(self, given: Raw) -> dict[str, Json]:
        """What the input says. Raises MalformedJson, InvalidRequest if it is no object, or InvalidInput with every
        problem there is.
        """
        value = decode(given, _decoder)
        if not isinstance(value, dict):
            raise InvalidRequest(reason="`input` must be an object with a member for each input of the model")
        if self._validator is None or self._validator.is_valid(value):
            return value
        if len(memoryview(given)) <= EXHAUSTIVE:
            found = [problem for error in self._validator.iter_errors(value) for problem in _problems(error)]
        else:
            found = list(_first(self._validator, value))
        raise InvalidInput(model=self._model, summary=_summary(found), errors=found[:LISTED])


def _compiled(card: Card) -> jsonschema_rs.Validator | None:
    """None if the schema cannot be used: the model process checks its input anyway."""
    try:
        return jsonschema_rs.validator_for(bytes(card.input_schema).decode(), mask=_SUBJECT, offline=True)
    except ValueError as error:
        _log.warning("inputs are not checked: unusable schema", model=card.model, reason=str(error).split("\n")[0])
        return None


def _first(validator: jsonschema_rs.Validator, value: object) -> Iterator[InputProblem]:
    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        yield from _problems(error)


def _problems(error: jsonschema_rs.ValidationError) -> Iterator[InputProblem]:
    """The error as problems, each at the member it is about."""
    path = error.instance_path
    match error.kind:
        case Kind.Required(property=member):
            yield InputProblem(_pointer([*path, member]), "it is required")
        case Kind.AdditionalProperties(unexpected=members) | Kind.UnevaluatedProperties(unexpected=members):
            for member in members:
                yield InputProblem(_pointer([*path, member]), "the model has no such input")
        case Kind.AnyOf(context=branches) | Kind.OneOfNotValid(context=branches):
            reasons = "; ".join([_reason(branch, path) for branch in branches])
            yield InputProblem(_pointer(path), f"no alternative fits ({reasons})")
        case _:
            yield InputProblem(_pointer(path), error.message)


def _reason(branch: Sequence[jsonschema_rs.ValidationError], path: _Path) -> str:
    """Why one alternative does not fit, with the place if that is further inside."""
    messages = [
        error.message if error.instance_path == path else f"{_pointer(error.instance_path)}: {error.message}"
        for error in branch
    ]
    return ", ".join(messages)


def _pointer(path: _Path) -> str:
    """The place in the body as a JSON pointer (RFC 6901)."""
    return "/input" + "".join(["/" + str(step).replace("~", "~0").replace("/", "~1") for step in path])


def _summary(found: Sequence[InputProblem]) -> str:
    first = f"{found[0].path}: {found[0].message}"
    return first if len(found) == 1 else f"{first}; and {len(found) - 1} more"
