"""The signature of a model: which inputs it takes, what it returns, and whether it streams."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from inspect import Parameter
from typing import Annotated, Final, get_args, get_origin, get_type_hints

from msgspec import Struct

from leveret.errors import ModelLoadError
from leveret.model import where
from leveret.model.context import Context
from leveret.model.where import Target

NOTHING: Final = Parameter.empty
"""Stands where there is no default and no annotation; None is a value of its own."""

_OPEN: Final = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)

_STREAMS: Final = {
    False: (Iterator, Generator, Iterable),
    True: (AsyncIterator, AsyncGenerator, AsyncIterable),
}
"""As what a stream may be annotated, by whether it is asynchronous."""

PREDICT: Final = "predict"
SETUP: Final = "setup"
HEALTHCHECK: Final = "healthcheck"
"""The methods of a class that is a model; all but the first may be missing."""


class Input(Struct, frozen=True):
    """One input: a parameter of the model. In a batched model its annotation is that of one item."""

    name: str
    annotation: object
    default: object = NOTHING


class Signature(Struct, frozen=True, kw_only=True):
    """What the schema is made of. `returns` is the annotation of the output, or of one of its chunks."""

    inputs: tuple[Input, ...]
    returns: object
    streams: bool
    asynchronous: bool
    context: str | None
    """The parameter that takes the Context, or the list of them."""


def read(target: Target, *, batched: bool) -> Signature:
    """The signature of a function, or of the method `predict` of a class. Raises ModelLoadError."""
    function, parameters = _callable(target)
    reader = _Reader(function, batched=batched)
    if inspect.isclass(target) and not reader.asynchronous:
        _is_no_coroutine(_method(target, SETUP), "but predict is not; write both as `async def`, or neither")
    if batched and not parameters:
        raise reader.error("a batched model takes at least one list; write for example `texts: list[str]`")
    read_in = [reader.input(parameter) for parameter in parameters]
    contexts = [parameter.name for parameter, one in zip(parameters, read_in, strict=True) if one is None]
    if len(contexts) > 1:
        raise reader.error(f"one Context is enough; `{contexts[0]}` and `{contexts[1]}` both ask for it")
    return Signature(
        inputs=tuple(one for one in read_in if one is not None),
        returns=reader.returns(),
        streams=reader.streams,
        asynchronous=reader.asynchronous,
        context=contexts[0] if contexts else None,
    )


def _callable(target: Target) -> tuple[Target, list[Parameter]]:
    """What is called for each run, with its parameters but for `self`."""
    if not inspect.isclass(target):
        return target, _parameters(target)
    predict = _method(target, PREDICT)
    if predict is None:
        reason = f"the class {target.__name__} has no method `predict`; write `def predict(self, …)`"
        raise ModelLoadError(where=where.of(target), reason=reason)
    _takes_nothing(target, _parameters(target), "do in setup() what needs more")
    for name in (SETUP, HEALTHCHECK):
        if (method := _method(target, name)) is not None:
            _takes_nothing(method, _parameters(method)[1:], "read what it needs from files or the environment")
    _is_no_coroutine(_method(target, HEALTHCHECK), "but is asked outside of the loop; write it as `def`")
    return predict, _parameters(predict)[1:]


def _parameters(made: Target) -> list[Parameter]:
    return list(inspect.signature(made).parameters.values())


def _method(target: type, name: str) -> Target | None:
    method: Target | None = inspect.getattr_static(target, name, None)
    if isinstance(method, staticmethod | classmethod) or not (method is None or inspect.isroutine(method)):
        reason = f"{target.__name__}.{name} is not an ordinary method; write `def {name}(self, …)`"
        raise ModelLoadError(where=where.of(target), reason=reason)
    return method


def _takes_nothing(made: Target, parameters: Iterable[Parameter], instead: str) -> None:
    """Refuse what cannot be called as the worker will call it: without arguments."""
    name = getattr(made, "__qualname__", repr(made))
    needed = [one.name for one in parameters if one.default is NOTHING and one.kind not in _OPEN]
    if needed:
        reason = f"{name} is called without arguments but needs {', '.join(needed)}; {instead}"
        raise ModelLoadError(where=where.of(made), reason=reason)


def _is_no_coroutine(method: Target | None, instead: str) -> None:
    """Refuse a method that only an event loop could run, where there is none."""
    if method is not None and inspect.iscoroutinefunction(inspect.unwrap(method)):
        name = getattr(method, "__qualname__", "it")
        raise ModelLoadError(where=where.of(method), reason=f"{name} is `async def` {instead}")


class _Reader:
    """Reads the annotations of one function."""

    def __init__(self, function: Target, *, batched: bool) -> None:
        self._function = function
        self._batched = batched
        plain = inspect.unwrap(function)
        self._hints = self._resolved()
        returned = get_origin(self._hints.get("return")) or self._hints.get("return")
        streams_later = inspect.isasyncgenfunction(plain) or returned in (AsyncIterator, AsyncGenerator)
        self.asynchronous = streams_later or inspect.iscoroutinefunction(plain)
        self.streams = streams_later or inspect.isgeneratorfunction(plain) or returned in (Iterator, Generator)
        if self.streams and batched:
            raise self.error("a batched model cannot stream; drop batch=, or return a list in place of yielding")
        if self.asynchronous and batched:
            raise self.error("a batched model is a plain `def`; drop batch=, or write `def` in place of `async def`")

    def error(self, reason: str) -> ModelLoadError:
        """The error that names the function's place."""
        return ModelLoadError(where=where.of(self._function), reason=reason)

    def input(self, parameter: Parameter) -> Input | None:
        """The input that this parameter takes; None if it takes the Context."""
        name = parameter.name
        if parameter.kind in _OPEN:
            bare = parameter.replace(annotation=NOTHING)
            raise self.error(f"`{bare}` leaves open what a client may send; write each parameter with its type")
        if parameter.kind is Parameter.POSITIONAL_ONLY:
            raise self.error(f"`{name}` cannot be given by its name; remove the `/` from the signature")
        if name not in self._hints:
            raise self.error(f"the parameter `{name}` has no type; write for example `{name}: str`")
        annotation = self._hints[name]
        if self._batched:
            annotation = self._of_list(f"the parameter `{name}`", annotation)
        if annotation is Context or Context in get_args(annotation):
            return None
        if self._batched and parameter.default is not NOTHING:
            example = f"`{name}: list[Annotated[str, Field(default='en')]]`"
            raise self.error(f"in a batched model a default belongs to each item; write for example {example}")
        return Input(name, annotation, parameter.default)

    def returns(self) -> object:
        """The annotation of what one run returns, or of what it yields."""
        annotation = self._hints.get("return", NOTHING)
        if annotation is NOTHING:
            return NOTHING
        if self._batched:
            return self._of_list("what it returns", annotation)
        if not self.streams:
            return annotation
        first, *others = _STREAMS[self.asynchronous]
        if (get_origin(annotation) or annotation) not in (first, *others):
            raise self.error(f"a model that yields is annotated with what it yields: `-> {first.__name__}[str]`")
        return next(iter(get_args(annotation)), NOTHING)

    def _resolved(self) -> dict[str, object]:
        try:
            return get_type_hints(self._function, include_extras=True)
        except Exception as error:  # annotations are the user's code: they may raise anything
            reason = f"its annotations cannot be read ({type(error).__name__}: {error}); import at the top of the file "
            raise self.error(f"{reason}what they name, and not only under TYPE_CHECKING") from error

    def _of_list(self, what: str, annotation: object) -> object:
        if get_origin(annotation) is list:
            return get_args(annotation)[0]
        example = "list[str]" if annotation in (list, NOTHING) else f"list[{_spelled(annotation)}]"
        raise self.error(f"in a batched model {what} is a list with one item for each client; write {example}")


def _spelled(annotation: object) -> str:
    if get_origin(annotation) is Annotated:
        return "Annotated[…]"
    return annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
