"""The declaration: what `@model` takes, refuses and leaves as it was."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

import leveret
from leveret import model
from leveret.errors import ModelLoadError
from leveret.model.declare import Given, Options, default_options, options_of


def test_what_is_marked_can_be_called_as_before() -> None:
    @model
    def double(n: int) -> int:
        return 2 * n

    assert double(21) == 42


def test_without_options_the_name_is_that_of_the_function_and_the_owner_is_local() -> None:
    @model
    def make_haste(n: int) -> int:
        return n

    assert options_of(make_haste) == Options(name="local/make_haste", batch=None, batch_window=0.01)


@pytest.mark.parametrize(
    ("name", "expected"), [("Ocr", "ocr"), ("TextGen", "text_gen"), ("HTTPReader2", "http_reader2"), ("ABC", "abc")]
)
def test_the_name_of_a_class_is_written_in_snake_case(name: str, expected: str) -> None:
    assert default_options(type(name, (), {})).name == f"local/{expected}"


@pytest.mark.parametrize(("given", "expected"), [("acme/ocr", "acme/ocr"), ("ocr-2", "local/ocr-2")])
def test_a_given_name_counts_with_or_without_an_owner(given: str, expected: str) -> None:
    @model(name=given)
    class Reader: ...

    assert options_of(Reader) == Options(name=expected)


def test_options_for_batches_are_kept() -> None:
    @model(batch=16, batch_window=0.5)
    def embed(texts: list[str]) -> list[int]:
        return [len(text) for text in texts]

    assert options_of(embed) == Options(name="local/embed", batch=16, batch_window=0.5)


def test_timeouts_are_kept() -> None:
    @model(queue_timeout=2, total_timeout=60.5)
    def slow(n: int) -> int:
        return n

    assert options_of(slow) == Options(name="local/slow", queue_timeout=2.0, total_timeout=60.5)


@pytest.mark.parametrize("name", ["queue_timeout", "total_timeout"])
@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), 1e9, "5", True])
def test_a_timeout_that_makes_no_sense_is_refused(name: str, seconds: float) -> None:
    given: Given = {name: seconds}  # type: ignore[misc]  # one of several names

    with pytest.raises(ModelLoadError, match=name):
        model(**given)(lambda n: n)


@pytest.mark.parametrize(("given", "expected"), [("size", ("size",)), (("size", "steps"), ("size", "steps"))])
def test_the_key_of_batches_is_one_name_or_several(given: str | tuple[str, ...], expected: tuple[str, ...]) -> None:
    @model(batch=16, batch_key=given)
    def draw(size: list[int], steps: list[int]) -> list[int]:
        return size

    assert options_of(draw) == Options(name="local/draw", batch=16, batch_key=expected)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(OSError, (OSError,)), ((OSError, KeyError), (OSError, KeyError)), ((), ())],
)
def test_what_is_worth_another_run_is_one_exception_or_several(
    given: type[Exception] | tuple[type[Exception], ...], expected: tuple[type[Exception], ...]
) -> None:
    @model(retries=0, retry_on=given)
    def fetch(url: str) -> str:
        return url

    assert options_of(fetch) == Options(name="local/fetch", retries=0, retry_on=expected)


@pytest.mark.parametrize("given", ["2 GiB", 2 * 1024**3])
def test_a_limit_of_memory_is_a_number_of_bytes_or_a_text(given: int | str) -> None:
    @model(max_memory=given)
    def draw(size: int) -> int:
        return size

    assert options_of(draw) == Options(name="local/draw", max_memory=2 * 1024**3)


def test_a_subclass_of_a_model_is_not_a_model() -> None:
    @model
    class Reader: ...

    class Other(Reader): ...

    assert options_of(Other) is None


def marked(**options: object) -> Callable[..., object]:
    """Apply options that the type checker would refuse."""

    def double(n: int) -> int:
        return 2 * n

    return model(**options)(double)  # type: ignore[no-any-return, call-overload]  # wrong on purpose


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"timout": 3}, "unknown field `timout`; its options are name, batch, batch_window, batch_key, "),
        ({"batch": 0}, "Expected `int` >= 1 - at `$.batch`"),
        ({"batch": "many"}, "Expected `int | null`, got `str` - at `$.batch`"),
        ({"batch": 2, "batch_window": -1.0}, "Expected `float` >= 0.0 - at `$.batch_window`"),
        ({"batch_window": 1.0}, "batch_window means nothing without batch"),
        ({"batch_key": "n"}, "batch_key means nothing without batch"),
        ({"batch": 2, "batch_key": 5}, "Expected `array`, got `int` - at `$.batch_key`"),
        ({"batch": 2, "batch_key": ("n", 5)}, "Expected `str`, got `int` - at `$.batch_key[1]`"),
        ({"retries": -1}, "Expected `int` >= 0 - at `$.retries`"),
        ({"retries": 1001}, "Expected `int` <= 1000 - at `$.retries`"),
        ({"retries": "many"}, "Expected `int | null`, got `str` - at `$.retries`"),
        ({"retry_on": "OSError"}, "Expected `array`, got `str` - at `$.retry_on`"),
        ({"retry_on": (OSError, 5)}, "Expected `type`, got `int` - at `$.retry_on[1]`"),
        ({"retry_on": int}, "retry_on takes kinds of Exception, such as ConnectionError, and int is none"),
        ({"retry_on": KeyboardInterrupt}, "retry_on takes kinds of Exception, such as ConnectionError"),
        ({"concurrency": 0}, "Expected `int` >= 1 - at `$.concurrency`"),
        ({"batch": 2, "concurrency": 2}, "batch and concurrency exclude each other"),
        ({"timeout": 0}, "Expected `float` > 0.0 - at `$.timeout`"),
        ({"timeout": float("nan")}, "Expected `float` > 0.0 - at `$.timeout`"),
        ({"timeout": float("inf")}, "Expected `float` <= 31622400.0 - at `$.timeout`"),
        ({"max_predictions_per_process": 0}, "Expected `int` >= 1 - at `$.max_predictions_per_process`"),
        ({"max_memory": 0}, "Expected `int` >= 1 - at `$.max_memory`"),
        ({"max_memory": "much"}, "@model: 'much' is no size; write for example '2 GiB', or a number of bytes"),
        ({"name": 5}, "Expected `str`, got `int` - at `$.name`"),
        ({"name": "Acme/OCR"}, "'Acme/OCR' is no name for a model: write @model(name='owner/name')"),
        ({"name": "a/b/c"}, "'a/b/c' is no name for a model"),
        ({"name": ""}, "'local/' is no name for a model"),
    ],
)
def test_an_option_that_is_wrong_or_unknown_is_refused_with_its_place(options: dict[str, object], reason: str) -> None:
    with pytest.raises(ModelLoadError) as refused:
        marked(**options)

    assert reason in str(refused.value)
    line = marked.__code__.co_firstlineno + 3
    assert str(refused.value).startswith(f"tests/model/test_declare.py:{line}: ")


def test_something_that_cannot_be_called_is_no_model() -> None:
    with pytest.raises(ModelLoadError, match="@model goes on a function or a class"):
        model(5)  # type: ignore[call-overload]  # wrong on purpose


def test_the_options_a_type_checker_knows_are_those_that_count() -> None:
    assert set(Given.__annotations__) == set(Options.__struct_fields__)


def test_importing_leveret_imports_neither_drivers_nor_pydantic() -> None:
    heavy = {"pika", "redis", "starlette", "pydantic", "pydantic_core", "structlog", "asyncio"}
    script = f"import sys, leveret; print(sorted({heavy!r} & set(sys.modules)))"

    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout

    assert printed.strip() == "[]"


def test_the_public_names_are_importable() -> None:
    assert all(hasattr(leveret, name) for name in leveret.__all__)
    assert len(leveret.__all__) <= 12
