"""The signature: what is read from it, and what is wrong with one that cannot be served."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from typing import Annotated

import pytest
from pydantic import Field

from leveret import Context
from leveret.errors import ModelLoadError
from leveret.model.signature import NOTHING, Input, read
from leveret.model.where import Target

Limited = Annotated[str, Field(max_length=3)]


def test_parameters_become_inputs_with_their_types_and_defaults() -> None:
    def shout(text: Limited, times: int = 1, context: Context | None = None) -> str:
        return text * times

    signature = read(shout, batched=False)

    assert signature.inputs == (Input("text", Limited), Input("times", int, 1))
    assert (signature.returns, signature.streams, signature.context) == (str, False, "context")


def test_a_class_is_called_by_its_method_predict() -> None:
    class Shout:
        def setup(self) -> None: ...

        def predict(self, text: str) -> str:
            return text.upper()

    assert read(Shout, batched=False).inputs == (Input("text", str),)


def test_in_a_batched_model_the_type_is_that_of_one_item() -> None:
    def shout(texts: list[Limited], contexts: list[Context]) -> list[str]:
        return [text.upper() for text in texts]

    signature = read(shout, batched=True)

    assert signature.inputs == (Input("texts", Limited),)
    assert (signature.returns, signature.context) == (str, "contexts")


def test_a_generator_streams_what_it_is_annotated_to_yield() -> None:
    def iterator(text: str) -> Iterator[str]:
        yield text

    def generator(text: str) -> Generator[int, None, None]:
        yield len(text)

    def iterable(text: str) -> Iterable[float]:
        yield 0.5

    def forwarded(text: str) -> Iterator[str]:
        return iterator(text)

    found = [read(function, batched=False) for function in (iterator, generator, iterable, forwarded)]

    assert [(one.streams, one.returns) for one in found] == [(True, str), (True, int), (True, float), (True, str)]


def test_async_def_is_asynchronous_and_streams_if_it_yields() -> None:
    async def coroutine(text: str) -> str:
        return text

    async def iterator(text: str) -> AsyncIterator[str]:
        yield text

    async def generator(text: str) -> AsyncGenerator[int, None]:
        yield len(text)

    async def iterable(text: str) -> AsyncIterable[float]:
        yield 0.5

    def forwarded(text: str) -> AsyncIterator[str]:
        return iterator(text)

    found = [read(function, batched=False) for function in (coroutine, iterator, generator, iterable, forwarded)]

    assert [True] * 5 == [one.asynchronous for one in found]
    assert [(False, str), (True, str), (True, int), (True, float), (True, str)] == [
        (one.streams, one.returns) for one in found
    ]


def test_what_is_no_async_def_is_not_asynchronous() -> None:
    def plain(text: str) -> str:
        return text

    def stream(text: str) -> Iterator[str]:
        yield text

    assert [False, False] == [read(function, batched=False).asynchronous for function in (plain, stream)]


def test_a_class_is_as_asynchronous_as_its_predict_and_its_setup_may_be_too() -> None:
    class Early:
        async def setup(self) -> None: ...

        async def predict(self, text: str) -> str:
            return text

    class Late:
        def setup(self) -> None: ...

        async def predict(self, text: str) -> AsyncIterator[str]:
            yield text

    assert [True, True] == [read(one, batched=False).asynchronous for one in (Early, Late)]


def test_without_annotation_anything_may_be_returned_or_yielded() -> None:
    def returns(text: str):  # type: ignore[no-untyped-def]  # as users write it
        return text

    def yields(text: str):  # type: ignore[no-untyped-def]  # as users write it
        yield text

    assert (read(returns, batched=False).returns, read(yields, batched=False).returns) == (NOTHING, NOTHING)


def untyped(text, times: int) -> None: ...  # type: ignore[no-untyped-def]  # wrong on purpose
def star(*texts: str) -> None: ...
def keywords(**texts: str) -> None: ...
def positional(text: str, /) -> None: ...
def unknown(text: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821  # wrong on purpose
def two_contexts(one: Context, other: Context) -> None: ...
async def yields_at_once(text: str) -> Iterator[str]:  # type: ignore[misc]  # wrong on purpose
    yield text


async def returns_an_iterator(text: str) -> Iterator[str]:
    return iter(text)


def misdeclared(text: str) -> str:  # type: ignore[misc]  # wrong on purpose
    yield text


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (untyped, "the parameter `text` has no type; write for example `text: str`"),
        (star, "`*texts` leaves open what a client may send"),
        (keywords, "`**texts` leaves open what a client may send"),
        (positional, "`text` cannot be given by its name; remove the `/`"),
        (unknown, "NameError: name 'Nowhere' is not defined"),
        (two_contexts, "one Context is enough; `one` and `other` both ask for it"),
        (yields_at_once, "a model that yields is annotated with what it yields: `-> AsyncIterator[str]`"),
        (returns_an_iterator, "a model that yields is annotated with what it yields: `-> AsyncIterator[str]`"),
        (misdeclared, "a model that yields is annotated with what it yields: `-> Iterator[str]`"),
    ],
)
def test_a_function_that_cannot_be_served_is_refused_with_its_place(function: Target, reason: str) -> None:
    with pytest.raises(ModelLoadError) as refused:
        read(function, batched=False)

    assert reason in str(refused.value)
    assert str(refused.value).startswith(f"tests/model/test_signature.py:{function.__code__.co_firstlineno}: ")


def one_text(text: str) -> list[str]: ...  # type: ignore[empty-body]
def one_result(texts: list[str]) -> str: ...  # type: ignore[empty-body]
def default_list(texts: list[str] = []) -> list[str]: ...  # type: ignore[empty-body]  # noqa: B006
def one_context(texts: list[str], context: Context) -> list[str]: ...  # type: ignore[empty-body]
def nothing_in() -> list[str]: ...  # type: ignore[empty-body]
async def asynchronous(texts: list[str]) -> list[str]: ...  # type: ignore[empty-body]
def streaming(texts: list[str]) -> Iterator[str]:
    yield from texts


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (one_text, "the parameter `text` is a list with one item for each client; write list[str]"),
        (one_result, "what it returns is a list with one item for each client; write list[str]"),
        (default_list, "a default belongs to each item"),
        (one_context, "the parameter `context` is a list with one item for each client; write list[Context]"),
        (nothing_in, "a batched model takes at least one list"),
        (streaming, "a batched model cannot stream"),
        (asynchronous, "a batched model is a plain `def`; drop batch="),
    ],
)
def test_a_batched_function_takes_and_returns_lists(function: Target, reason: str) -> None:
    with pytest.raises(ModelLoadError) as refused:
        read(function, batched=True)

    assert reason in str(refused.value)


class WithoutPredict:
    def run(self, text: str) -> str:
        return text


class StaticPredict:
    @staticmethod
    def predict(text: str) -> str:
        return text


class NeedsArguments:
    def __init__(self, folder: str) -> None:
        self.folder = folder

    def predict(self, text: str) -> str:
        return text


class SetupNeedsArguments:
    def setup(self, folder: str) -> None: ...

    def predict(self, text: str) -> str:
        return text


class AsyncSetup:
    async def setup(self) -> None: ...

    def predict(self, text: str) -> str:
        return text


class AsyncHealthcheck:
    async def healthcheck(self) -> bool:
        return True

    def predict(self, text: str) -> str:
        return text


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (WithoutPredict, "the class WithoutPredict has no method `predict`; write `def predict(self, …)`"),
        (StaticPredict, "StaticPredict.predict is not an ordinary method"),
        (NeedsArguments, "NeedsArguments is called without arguments but needs folder; do in setup()"),
        (SetupNeedsArguments, "SetupNeedsArguments.setup is called without arguments but needs folder"),
        (AsyncSetup, "AsyncSetup.setup is `async def` but predict is not"),
        (AsyncHealthcheck, "AsyncHealthcheck.healthcheck is `async def`"),
    ],
)
def test_a_class_that_cannot_be_served_is_refused_with_its_place(target: Target, reason: str) -> None:
    with pytest.raises(ModelLoadError) as refused:
        read(target, batched=False)

    assert reason in str(refused.value)
    assert str(refused.value).startswith("tests/model/test_signature.py:")
