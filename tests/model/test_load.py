"""Loading: what a target may name, and what is said when it does not load."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import TypeAlias

import pytest

from leveret.errors import ModelLoadError
from leveret.model.declare import Options
from leveret.model.load import load

Write: TypeAlias = Callable[[str, str], Path]

ONE = '''
from leveret import model

@model(name="acme/shout")
def shout(text: str) -> str:
    """Make it loud.

    Very loud.
    """
    return text.upper()
'''

ALIKE = """
from leveret import model

@model
def up(text: str) -> str: ...

@model
def down(text: str) -> str: ...
"""

TWO = """
from leveret import model

@model
def shout(text: str) -> str:
    return text.upper()

@model
class Whisper:
    def predict(self, text: str) -> str:
        return text.lower()

def plain(text: str) -> str:
    return text

number = 5
"""


@pytest.fixture(autouse=True)
def imports() -> Iterator[None]:
    """Forget what the test imports."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file into the current folder, which can be imported from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"))
        return path

    return write


def refused(target: str) -> str:
    with pytest.raises(ModelLoadError) as error:
        load(target)
    return str(error.value)


@pytest.mark.parametrize("target", ["folder/app.py", "folder/app.py:shout", "folder.app", "folder.app:shout"])
def test_a_target_is_a_file_or_a_module_with_or_without_a_name(write: Write, target: str) -> None:
    write("folder/app.py", ONE)

    model = load(target)

    assert model.options == Options(name="acme/shout")
    assert model.start()(text="hare") == "HARE"


def test_a_model_is_described_by_its_docstring(write: Write) -> None:
    write("app.py", ONE)

    assert load("app.py").description == "Make it loud.\n\nVery loud."


def test_the_version_changes_with_the_source(write: Write) -> None:
    path = write("app.py", ONE)
    model = load("app.py")
    parts = b"acme/shout", path.read_bytes(), model.inputs.schema, model.output_schema
    expected = hashlib.sha256(b"\0".join(parts)).hexdigest()
    del sys.modules["app"]
    write("app.py", f"# another one\n{ONE}")

    assert model.version == expected
    assert load("app.py").version != expected


def test_two_models_of_one_file_have_two_versions_however_alike_they_are(write: Write) -> None:
    write("app.py", ALIKE)
    up = load("app.py:up")
    del sys.modules["app"]

    assert up.version != load("app.py:down").version


@pytest.mark.parametrize(("name", "expected"), [("shout", "local/shout"), ("Whisper", "local/whisper")])
def test_of_several_models_the_named_one_is_loaded(write: Write, name: str, expected: str) -> None:
    write("app.py", TWO)

    assert load(f"app.py:{name}").options.name == expected


def test_the_key_of_batches_must_be_among_the_inputs(write: Write) -> None:
    write(
        "app.py",
        """
        from leveret import Context, model

        @model(batch=2, batch_key=("size", "steps"))
        def draw(prompt: list[str], size: list[int], context: list[Context]) -> list[str]:
            return prompt
    """,
    )

    assert "app.py:3: @model: batch_key names 'steps', but the inputs are prompt, size" == refused("app.py")


@pytest.mark.parametrize("function", ["def shout(text: str) -> str: ...", "def shout(text: str) -> Iterator[str]: ..."])
def test_concurrency_is_for_what_is_asynchronous(write: Write, function: str) -> None:
    write(
        "app.py",
        f"""
        from collections.abc import Iterator
        from leveret import model

        @model(concurrency=4)
        {function}
        """,
    )

    assert "app.py:4: @model: concurrency means nothing unless the model is `async def`" in refused("app.py")


def test_what_is_named_needs_no_mark(write: Write) -> None:
    write("app.py", TWO)

    assert load("app.py:plain").options == Options(name="local/plain")


def test_a_model_that_the_file_imports_counts_if_it_has_none_of_its_own(write: Write) -> None:
    write("shouting.py", ONE)
    write("app.py", "from shouting import shout")
    write("other.py", f"from shouting import shout as imported\n{ONE.replace('acme/shout', 'acme/own')}")

    assert load("app.py").options.name == "acme/shout"
    assert load("other.py").options.name == "acme/own"


def test_a_second_name_for_the_same_model_is_no_second_model(write: Write) -> None:
    write("app.py", f"{ONE}\nalias = shout")

    assert load("app.py").options.name == "acme/shout"


def test_a_file_finds_its_neighbours_wherever_it_is_loaded_from(write: Write) -> None:
    write("folder/neighbour.py", "VOICE = 'HARE'")
    write("folder/app.py", f"import neighbour\n{ONE.replace('text.upper()', 'neighbour.VOICE')}")

    assert load("folder/app.py").start()(text="") == "HARE"


def test_a_class_is_set_up_when_it_is_started_and_not_before(write: Write) -> None:
    write(
        "app.py",
        """
        from leveret import model

        @model
        class Shout:
            def setup(self) -> None:
                self.mark = "!"

            def predict(self, text: str) -> str:
                return text.upper() + self.mark
        """,
    )

    assert load("app.py").start()(text="hare") == "HARE!"


def test_dataclasses_in_the_file_are_understood(write: Write) -> None:
    write(
        "app.py",
        """
        from __future__ import annotations
        from dataclasses import dataclass
        from leveret import model

        @dataclass
        class Point:
            x: int

        @model
        def double(point: Point) -> Point:
            return Point(2 * point.x)
        """,
    )

    model = load("app.py")

    assert model.start()(**model.inputs.arguments(b'{"point": {"x": 2}}')) == sys.modules["app"].Point(4)


@pytest.mark.parametrize("target", ["app.py", "app.py:"])
def test_several_models_without_a_name_are_listed(write: Write, target: str) -> None:
    write("app.py", TWO)

    assert refused(target) == "app.py:1: it has 2 models; name one: app.py:shout, app.py:Whisper"


@pytest.mark.parametrize("name", ["nowhere", "number"])
def test_a_name_that_is_no_model_is_answered_with_those_that_are(write: Write, name: str) -> None:
    write("app.py", TWO)

    expected = f"app.py:1: there is no function or class {name!r} in it; its models are: shout, Whisper"
    assert refused(f"app.py:{name}") == expected


def test_a_file_without_a_model_is_told_how_to_write_one(write: Write) -> None:
    write("app.py", "def shout(text: str) -> str: ...")

    expected = "there is no model in it; write @model (from leveret import model) above a function or a class"
    assert refused("app.py") == f"app.py:1: {expected}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\ndef broken(:\n", "app.py:2: this is not valid Python: invalid syntax"),
        ("import sys\nimport no_such_thing", "app.py:2: No module named 'no_such_thing'; install the package"),
        ("from json import no_such_thing", "app.py:1: importing it raised ImportError: cannot import name"),
        ("def f():\n    return 1 / 0\n\nf()\n", "app.py:2: importing it raised ZeroDivisionError: division by zero"),
        ("import json\n\njson.loads('')\n", "app.py:3: importing it raised JSONDecodeError: Expecting value"),
        ("raise SystemExit", "app.py:1: the file ends the process when it is imported; put that under `if __name__"),
        (
            "from leveret import model\n\n@model(timout=3)\ndef f(x: int): ...\n",
            "app.py:3: @model: Object contains unknown field `timout`; its options are name, batch, batch_window",
        ),
        (
            "from leveret import model\n\n@model\ndef f(x, y: int): ...\n",
            "app.py:3: the parameter `x` has no type; write for example `x: str`",
        ),
        (
            "from leveret import model\n\n@model\ndef f(x: bytes): ...\n",
            "app.py:3: the type of the parameter `x` has no form in JSON",
        ),
    ],
)
@pytest.mark.parametrize("target", ["app.py", "app"])
def test_a_file_that_does_not_load_is_told_where_and_what_to_do(
    write: Write, text: str, expected: str, target: str
) -> None:
    write("app.py", text)

    assert refused(target).startswith(expected)


def test_a_mistake_in_what_the_file_imports_is_told_by_its_own_place(write: Write) -> None:
    write("neighbour.py", "x = 1\n\nclass Broken\n")
    write("app.py", "import neighbour")

    assert refused("app.py").startswith("neighbour.py:3: this is not valid Python:")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("nowhere.py", "nowhere.py: there is no such file; check the path, or name a module"),
        ("nowhere", "nowhere: there is no module nowhere; start in the folder that has it, or give a file"),
        ("folder.nowhere", "folder.nowhere: there is no module folder.nowhere; start in the folder"),
        ("folder", "folder: this is a folder without code; name a module inside of it"),
        ("./app", "./app: a target is a file, folder/file.py, or a module, package.module"),
        ("", ": a target is a file"),
    ],
)
def test_a_target_that_is_not_there_is_told(write: Write, target: str, expected: str) -> None:
    write("folder/app.py", ONE)

    assert refused(target).startswith(expected)


def test_a_file_that_is_no_text_is_told_so(write: Write) -> None:
    write("app.py", "").write_bytes(b"x = 1\n\xff\xfe\x00")

    assert "app.py:" in (told := refused("app.py"))
    assert "this is not valid Python" in told


def test_a_file_with_the_name_of_a_module_in_use_is_refused(write: Write) -> None:
    write("json.py", ONE)

    assert refused("json.py") == "json.py:1: a module named json is loaded already; give the file a name of its own"
