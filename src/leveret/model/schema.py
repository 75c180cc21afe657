"""The schemas of a model, as JSON Schema 2020-12, and the check of its inputs: both are made by pydantic."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, NotRequired, TypeAlias, get_args, get_origin

from pydantic import ConfigDict, Field, PydanticUserError, TypeAdapter, ValidationError, with_config
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails, core_schema, to_json

# Pydantic takes no typing.TypedDict before Python 3.12, and brings this one along.
from typing_extensions import TypedDict

from leveret.errors import InvalidInput
from leveret.model.annotations import mapped
from leveret.model.exchange import Exchange
from leveret.model.file import File, InPath
from leveret.model.signature import NOTHING, Input

Arguments: TypeAlias = dict[str, object]
"""The keyword arguments of one run."""

LISTED: Final = 20
"""How many problems an error lists; it counts the others."""

_PATH: Final = b'"format":"path"'
"""What a path has become that stands inside of a class: it would be a path on the worker's disk."""

_CONFIG: Final = ConfigDict(extra="forbid", allow_inf_nan=False)

_UNFIT: Final = (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError)
"""What pydantic raises for a type that has no form in JSON."""


class UnfitType(Exception):
    """An input has a type that no JSON becomes."""


class Inputs:
    """The inputs of a model: their JSON Schema, and what checks and converts them. Raises UnfitType."""

    def __init__(self, model: str, inputs: Sequence[Input]) -> None:
        self._model = model
        adapter, self.schema = _compiled(inputs)
        self._check = adapter.validator.validate_json

    def arguments(self, data: bytes, exchange: Exchange | None = None) -> Arguments:
        """The keyword arguments that the JSON in `data` stands for; its files come by the exchange.

        Raises InvalidInput.
        """
        try:
            arguments: Arguments = self._check(data, context=exchange)
        except ValidationError as error:
            problems = [_problem(details) for details in error.errors(include_url=False)[:LISTED]]
            if error.error_count() > LISTED:
                problems.append(f"and {error.error_count() - LISTED} more")
            raise InvalidInput(model=self._model, summary="; ".join(problems)) from None
        return arguments


def output_schema(returns: object, *, streams: bool) -> bytes:
    """The schema of an output; anything fits where there is no annotation, or one that pydantic does not know."""
    one = object if returns is NOTHING else mapped(returns, _put_out)
    if not streams:
        return to_json(_described(one))
    schema = _described(list[one])  # type: ignore[valid-type]  # a type that is known at run time only
    items = schema.setdefault("items", {})
    schema |= {"type": "array", "x-cog-array-type": "iterator"}
    if items.get("type") == "string" and "format" not in items:
        schema["x-cog-array-display"] = "concatenate"
    return to_json(schema)


def _put_out(annotation: object) -> object:
    """What is written as a file is described as one."""
    picture = getattr(annotation, "__module__", "") == "PIL.Image"
    return File if annotation in (bytes, Path) or picture else annotation


def _taken(annotation: object) -> object:
    """A path in an input is a file, too: never one that a client can name."""
    return Annotated[Path, InPath()] if annotation is Path else annotation


class _Generator(GenerateJsonSchema):
    """Pydantic's own, but for bytes, which JSON does not have."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  # as pydantic declares it

    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:
        """Refused as an input; inside an output they count as UTF-8, as pydantic writes them."""
        if self.mode == "validation":
            raise PydanticInvalidForJsonSchema("JSON has no bytes")
        return {"type": "string"}


def _compiled(inputs: Sequence[Input]) -> tuple[TypeAdapter[Arguments], bytes]:
    """The validator of an object with these fields, and its schema.

    A typed dictionary, because its fields may have any name (those of a pydantic model may not be `json` or `_x`)
    and it validates to the arguments as they are passed on.
    """
    try:
        fields = {one.name: _field(one) for one in inputs}
        typed = with_config(_CONFIG)(TypedDict("Input", fields))  # type: ignore[operator]  # made at run time
        adapter: TypeAdapter[Arguments] = TypeAdapter(typed)
        return adapter, _without_paths(to_json(adapter.json_schema(schema_generator=_Generator)))
    except _UNFIT as error:
        if len(inputs) > 1:
            for one in inputs:
                _compiled([one])
        cause = error.message.partition(". ")[0]
        raise UnfitType(
            f"the type of the parameter `{inputs[0].name}` has no form in JSON ({cause}); use numbers, bool, str, "
            "list, dict, Literal, an Enum, a dataclass, a pydantic model or, also inside of these, leveret.File"
        ) from error


def _without_paths(schema: bytes) -> bytes:
    if _PATH in schema:
        raise PydanticUserError("a client could name any file in it", code=None)
    return schema


def _field(one: Input) -> object:
    """The annotation with its default inside, which may also be given there or as `= Field(…)`."""
    annotation, default = mapped(one.annotation, _taken), one.default
    if isinstance(default, FieldInfo):
        annotation = Annotated[annotation, default]
    elif default is not NOTHING:
        annotation = Annotated[annotation, Field(default=default)]
    metadata = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    optional = any(isinstance(one, FieldInfo) and not one.is_required() for one in metadata)
    return NotRequired[annotation] if optional else annotation


def _problem(details: ErrorDetails) -> str:
    place = "/".join(["/input", *[str(step).replace("~", "~0").replace("/", "~1") for step in details["loc"]]])
    match details["type"]:
        case "missing":
            return f"{place}: it is required"
        case "extra_forbidden":
            return f"{place}: the model has no such input"
        case _:
            return f"{place}: {details['msg']}"


def _described(annotation: object) -> JsonSchemaValue:
    try:
        adapter = TypeAdapter[object](annotation)  # type: ignore[arg-type]  # known at run time only
        return adapter.json_schema(schema_generator=_Generator, mode="serialization")
    except _UNFIT:
        return {}
