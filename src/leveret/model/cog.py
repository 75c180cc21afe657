"""Cog: a folder with cog.yaml and a predictor (https://cog.run/yaml) becomes a model, as it stands.

Nothing here imports cog, which the predictor brings along: its types are known by their names.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from inspect import Parameter
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol, get_type_hints

from pydantic import Field

from leveret.core.prediction import MODEL_NAME
from leveret.errors import ModelLoadError
from leveret.model import where
from leveret.model.annotations import mapped
from leveret.model.cog_types import is_a, of_cog, optional, put_out, said, taken, taking
from leveret.model.declare import OWNER
from leveret.model.where import Target

MANIFEST: Final = "cog.yaml"

WEIGHTS: Final = "COG_WEIGHTS"
"""The variable that says where the weights are that `setup` may ask for."""

_DEFAULT: Final = "predict.py:Predictor"
_UNFIT: Final = re.compile(r"[^a-z0-9_.-]+")


class Manifest(NamedTuple):
    """What of cog.yaml says how the model is served."""

    file: Path
    name: str
    """The predictor's, in the file."""
    model: str
    concurrency: int


class _FieldInfo(Protocol):
    """What `cog.Input` makes."""

    default: object
    description: str | None
    ge: float | None
    le: float | None
    min_length: int | None
    max_length: int | None
    regex: str | None
    choices: list[str | int] | None


def manifest(folder: Path) -> Manifest:
    """What the folder's cog.yaml says. Raises ModelLoadError."""
    path = folder / MANIFEST
    content = _yaml(path)
    predictor = content.get("predict") or content.get("run") or _DEFAULT
    file, colon, name = str(predictor).partition(":")
    if not colon or not (folder / file).is_file():
        reason = f"`predict` is {predictor!r}, but must name a file beside it and what is in that: {_DEFAULT}"
        raise ModelLoadError(where=where.line(path), reason=reason)
    concurrency = content.get("concurrency")
    most = concurrency.get("max") if isinstance(concurrency, dict) else None
    model = _model_name(str(content.get("image") or ""), folder)
    return Manifest(folder / file, name, model, most if isinstance(most, int) else 1)


def adapted(predictor: Target) -> Target:
    """A class as `@model` takes it, or a function, that does what the predictor does. Raises ModelLoadError."""
    if not inspect.isclass(predictor):
        return _function(predictor, lambda _: predictor)
    name = _handler(predictor)
    if not _defines(predictor, name):
        reason = f"the class {predictor.__name__} has no method `run` or `predict`"
        raise ModelLoadError(where=where.of(predictor), reason=reason)
    handler: Target = getattr(predictor, name)
    members = {
        "__doc__": predictor.__doc__,
        "__module__": predictor.__module__,
        "__init__": _init(predictor),
        "setup": _setup(predictor),
        "predict": _function(handler, lambda self: getattr(self.predictor, name)),
    }
    return type(predictor.__name__, (), members)


def _init(predictor: type) -> Target:
    """The constructor of the class that stands for the predictor."""

    def init(self: _Standing) -> None:
        self.predictor = predictor()

    return init


def concurrency(predictor: Target, manifest: Manifest) -> int:
    """How many runs may be under way at once, by the predictor or by its manifest."""
    handler = getattr(predictor, _handler(predictor), None) if inspect.isclass(predictor) else predictor
    own = getattr(handler, "__cog_concurrent_max__", None)
    return own if isinstance(own, int) else manifest.concurrency


class _Standing(Protocol):
    """The instance of the class that stands for a predictor."""

    predictor: object


def _yaml(path: Path) -> dict[str, object]:
    try:
        yaml = importlib.import_module("yaml")
    except ModuleNotFoundError as error:
        reason = "a folder with cog.yaml needs the package cog: pip install cog"
        raise ModelLoadError(where=where.line(path), reason=reason) from error
    try:
        content: object = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ModelLoadError(where=where.line(path), reason=f"it cannot be read: {error}") from error
    return content if isinstance(content, dict) else {}


def _model_name(image: str, folder: Path) -> str:
    """`owner/name` of the image, or the name of the folder."""
    *_, owner, name = ["", "", *image.partition(":")[0].split("/")]
    if MODEL_NAME.fullmatch(f"{owner}/{name}"):
        return f"{owner}/{name}"
    return f"{OWNER}/{_UNFIT.sub('-', folder.name.lower()).strip('-._') or 'model'}"


def _handler(predictor: type) -> str:
    """The method that is called for each run: `run`, or as older predictors have it, `predict`."""
    return "run" if _defines(predictor, "run") else "predict"


def _defines(predictor: type, method: str) -> bool:
    """Whether the class has it, or inherits it from another one than cog's."""
    return any(method in vars(one) and not of_cog(one) for one in inspect.getmro(predictor)[:-1])


def _setup(predictor: type) -> Target:
    """Its setup, without arguments: weights are where the environment says."""
    setup = getattr(predictor, "setup", None)
    takes = list(inspect.signature(setup).parameters.values())[1:] if callable(setup) else []
    weights = os.environ.get(WEIGHTS)
    given = [weights] if takes and (weights or takes[0].default is Parameter.empty) else []

    def run(self: _Standing) -> object:
        method = getattr(self.predictor, "setup", None)
        return method(*given) if callable(method) else None

    if not inspect.iscoroutinefunction(setup):
        return run

    async def run_asynchronously(self: _Standing) -> None:
        await setup(self.predictor, *given)

    return run_asynchronously


def _function(handler: Target, bound: Callable[[_Standing], Target]) -> Target:
    """A function of the handler's signature in Leveret's types, with values of cog's types for the handler."""
    parameters = list(inspect.signature(handler).parameters.values())
    method = bool(parameters) and parameters[0].name == "self"
    hints = get_type_hints(handler, include_extras=True)
    own = [_parameter(one, hints.get(one.name, str)) for one in parameters[method:]]
    takes = {one.name: taking(hints.get(one.name, str)) for one in parameters[method:]}
    returns = hints.get("return", object)

    def given(arguments: Mapping[str, object]) -> dict[str, object]:
        return {name: takes[name](value) for name, value in arguments.items()}

    function = _calling(handler, returns, given, bound, method=method)
    first = [Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)] if method else []
    function.__signature__ = inspect.Signature([*first, *own])  # type: ignore[attr-defined]  # read by inspect
    function.__annotations__ = {one.name: one.annotation for one in own} | {"return": mapped(returns, put_out)}
    function.__name__, function.__doc__ = getattr(handler, "__name__", "predict"), handler.__doc__
    return function


def _calling(
    handler: Target,
    returns: object,
    given: Callable[[Mapping[str, object]], dict[str, object]],
    bound: Callable[[_Standing], Target],
    *,
    method: bool,
) -> Target:
    def call(arguments: tuple[object, ...], named: Mapping[str, object]) -> object:
        self = arguments[0] if method else None
        return bound(self)(**given(named))  # type: ignore[arg-type]  # a function of its own asks for no self

    if inspect.isasyncgenfunction(handler) or is_a(returns, "AsyncConcatenateIterator"):

        async def stream(*arguments: object, **named: object) -> AsyncGenerator[object, None]:
            chunks = call(arguments, named)
            async for chunk in chunks:  # type: ignore[attr-defined]  # as its annotation says
                yield said(chunk)

        return stream
    if inspect.iscoroutinefunction(handler):

        async def answer(*arguments: object, **named: object) -> object:
            return said(await call(arguments, named))  # type: ignore[misc]  # it is a coroutine

        return answer
    if inspect.isgeneratorfunction(handler) or is_a(returns, "ConcatenateIterator"):

        def chunks(*arguments: object, **named: object) -> Iterator[object]:
            yield from map(said, call(arguments, named))  # type: ignore[call-overload]  # as its annotation says

        return chunks
    return lambda *arguments, **named: said(call(arguments, named))


def _parameter(parameter: Parameter, annotation: object) -> Parameter:
    """The parameter with its constraints as pydantic has them."""
    own = mapped(annotation, taken)
    if not of_cog(type(parameter.default)):
        return parameter.replace(annotation=own)
    info: _FieldInfo = parameter.default
    if info.choices:
        own = Literal[tuple(info.choices)]
    needed = info.default is None and not optional(annotation)
    field = Field(
        default=... if needed else info.default,
        description=info.description,
        ge=info.ge,
        le=info.le,
        min_length=info.min_length,
        max_length=info.max_length,
        pattern=info.regex,
    )
    return parameter.replace(annotation=own, default=field)
