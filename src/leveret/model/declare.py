"""The declaration: `@model` marks what a worker shall serve, and says how."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Annotated, Final, TypeAlias, TypedDict, TypeVar, Unpack, overload

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from leveret.core import sizes
from leveret.core.deadlines import LONGEST
from leveret.core.prediction import MODEL_NAME
from leveret.errors import ModelLoadError
from leveret.model import where
from leveret.model.where import Target

OWNER: Final = "local"
"""Who owns a model whose name does not say."""

_MARK: Final = "__leveret_options__"
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


Timeout: TypeAlias = Annotated[float, Meta(gt=0, le=LONGEST)]


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `@model` was told. `batch` is None for a model that takes one input at a time.

    `retries` is None when the worker's own limit holds.
    """

    name: str
    batch: Annotated[int, Meta(ge=1)] | None = None
    batch_window: Annotated[float, Meta(ge=0)] = 0.01
    batch_key: tuple[str, ...] = ()
    retries: Annotated[int, Meta(ge=0, le=1000)] | None = None
    retry_on: tuple[type[Exception], ...] = ()
    queue_timeout: Timeout | None = None
    total_timeout: Timeout | None = None
    concurrency: Annotated[int, Meta(ge=1)] | None = None
    timeout: Timeout | None = None
    max_memory: Annotated[int, Meta(ge=1)] | None = None
    max_predictions_per_process: Annotated[int, Meta(ge=1)] | None = None
    retention: Timeout | None = None
    reuse: Timeout | None = None


class Given(TypedDict, total=False):
    """The options of `@model`, each as the user may write it."""

    name: str
    """`owner/name`, or a name of the owner `local`; otherwise made of the name of the function or class."""

    batch: int
    """At most so many inputs in one call. The model then takes lists and returns a list of the same length."""

    batch_window: float
    """How long an input may wait for others to fill its batch, in seconds."""

    batch_key: str | tuple[str, ...]
    """The name of a parameter, or the names of several, whose values must be equal within one call."""

    retries: int
    """How many runs may follow the first one of a prediction, for whatever reason that counts against the limit."""

    retry_on: type[Exception] | tuple[type[Exception], ...]
    """The exceptions after which a prediction is run again, in place of failing at once."""

    queue_timeout: float
    """How long after its creation a prediction is canceled if its first run has not begun, in seconds."""

    total_timeout: float
    """How long after its creation a prediction is canceled if it has not ended, in seconds."""

    concurrency: int
    """How many runs of an `async def` may be under way at once in each model process; otherwise one."""

    timeout: float
    """How long one call may take, in seconds; of a model that streams, the whole stream."""

    max_memory: int | str
    """How much memory a process may take, with all that it starts, in bytes or as `"2 GiB"`; in place of the worker's
    own setting."""

    max_predictions_per_process: int
    """After so many predictions a process is replaced by a fresh one; in place of the worker's own setting."""

    retention: float
    """How long after its end a prediction's data is kept, in seconds; in place of the stores' own setting."""

    reuse: float
    """For how long, in seconds from when its run began, an output answers other predictions with the same input. Those
    that come while it runs wait for it. For models whose output follows from their input."""


T = TypeVar("T", bound=Target)


@overload
def model(target: T, /) -> T: ...
@overload
def model(**options: Unpack[Given]) -> Callable[[T], T]: ...
def model(target: T | None = None, /, **options: Unpack[Given]) -> T | Callable[[T], T]:
    """Mark a function, a generator function or a class with `predict` (and `setup`) as a model.

    What is marked stays what it was: it can be called and tested as if it were not. Options are described in
    `Given`. Raises ModelLoadError.
    """
    if target is not None:
        return _marked(target, options)
    return lambda target: _marked(target, options)


def options_of(target: object) -> Options | None:
    """The options of what `@model` has marked itself; a subclass of a model is not one."""
    options = vars(target).get(_MARK) if hasattr(target, "__dict__") else None
    return options if isinstance(options, Options) else None


def default_options(target: Target) -> Options:
    """The options of what is served without a mark. Raises ModelLoadError."""
    return _options(target, {})


def _marked(target: T, given: Given) -> T:
    setattr(target, _MARK, _options(target, given))
    return target


def _options(target: Target, given: Given) -> Options:
    if not (inspect.isclass(target) or inspect.isroutine(inspect.unwrap(target))):
        raise ModelLoadError(where=where.of(target), reason="@model goes on a function or a class, on nothing else")
    try:
        options = msgspec.convert({"name": _default_name(target), **given, **_spelled_out(given)}, Options)
    except ValueError as error:
        known = ", ".join(Options.__struct_fields__)
        raise ModelLoadError(where=where.of(target), reason=f"@model: {error}; its options are {known}") from error
    if "/" not in options.name:
        options = replace(options, name=f"{OWNER}/{options.name}")
    if not MODEL_NAME.fullmatch(options.name):
        reason = (
            f"{options.name!r} is no name for a model: write @model(name='owner/name') with a-z, 0-9, '_', '.', '-'"
        )
        raise ModelLoadError(where=where.of(target), reason=reason)
    if options.concurrency is not None and options.batch is not None:
        reason = "@model: batch and concurrency exclude each other: one call for many inputs, or many calls at once"
        raise ModelLoadError(where=where.of(target), reason=reason)
    for option in ("batch_window", "batch_key"):
        if option in given and options.batch is None:
            raise ModelLoadError(where=where.of(target), reason=f"@model: {option} means nothing without batch")
    for kind in options.retry_on:
        if not issubclass(kind, Exception):
            reason = f"@model: retry_on takes kinds of Exception, such as ConnectionError, and {kind.__name__} is none"
            raise ModelLoadError(where=where.of(target), reason=reason)
    return options


def _spelled_out(given: Given) -> dict[str, object]:
    """What may be written in several ways, in the one that counts. Raises ValueError."""
    settled: dict[str, object] = {}
    if isinstance(key := given.get("batch_key"), str):
        settled["batch_key"] = (key,)
    if isinstance(errors := given.get("retry_on"), type):
        settled["retry_on"] = (errors,)
    if isinstance(memory := given.get("max_memory"), str):
        settled["max_memory"] = sizes.parse(memory)
    return settled


def _default_name(target: Target) -> str:
    return _HUMP.sub("_", getattr(target, "__name__", "")).lower()
