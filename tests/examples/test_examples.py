"""The examples: each is loaded and run in a real model process, as its docstring tells to run it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from math import factorial
from pathlib import Path
from typing import TypeAlias

import jsonschema_rs
import pytest

from leveret.core.outcome import Outcome, Raised, Returned, Streamed
from leveret.worker.frames import Chunks, Progressed, Ready
from tests.worker.child_process import ChildProcess, child_process

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parent.parent.parent / "examples"

Json: TypeAlias = "dict[str, Json] | list[Json] | str | float | bool | None"


class Served:
    """An example in its process. What it takes and gives is checked against its own schemas."""

    def __init__(self, child: ChildProcess) -> None:
        self.child = child
        self.ready = child.receive(Ready)
        self._input = jsonschema_rs.validator_for(json.loads(self.ready.input_schema))
        self._output = jsonschema_rs.validator_for(json.loads(self.ready.output_schema))

    def run(self, *inputs: Mapping[str, Json]) -> list[Json]:
        for given in inputs:
            self._input.validate(given)
        return [self._checked(outcome) for outcome in self.child.run(*[json.dumps(one).encode() for one in inputs])]

    def stream(self, given: Mapping[str, Json]) -> list[Json]:
        self._input.validate(given)
        outcomes, said = self.child.watch(json.dumps(given).encode())
        assert outcomes == [Streamed()]
        chunks = [json.loads(chunk) for frame in said if isinstance(frame, Chunks) for chunk in frame.chunks]
        self._output.validate(chunks)
        return chunks

    def _checked(self, outcome: Outcome) -> Json:
        assert isinstance(outcome, Returned), outcome
        output: Json = json.loads(outcome.output)
        self._output.validate(output)
        return output


Serve: TypeAlias = Callable[[str], Served]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    with ExitStack() as stack:
        served: dict[str, Served] = {}

        def start(name: str) -> Served:
            if name not in served:
                folder = tmp_path_factory.mktemp(name)
                served[name] = Served(stack.enter_context(child_process(str(EXAMPLES / name), folder=folder)))
            return served[name]

        yield start


def data_url(data: bytes) -> str:
    return f"data:;base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_every_example_tells_how_to_serve_it_and_loads(serve: Serve, path: Path) -> None:
    served = serve(path.name)

    text = path.read_text()
    assert f"leveret serve examples/{path.name}" in text
    assert f"/v1/models/{served.ready.model}/predictions" in text
    assert served.ready.description


def test_the_factorial_of_a_large_number_has_all_its_digits(serve: Serve) -> None:
    small, large = serve("factorial.py").run({"n": 0}, {"n": 3000})

    assert small == "1"
    assert isinstance(large, str)
    assert (len(large), large[:6]) == (9131, "414935")
    assert int(large[-4000:]) == factorial(3000) % 10**4000


def test_the_factorial_tells_how_far_it_is(serve: Serve) -> None:
    _, said = serve("factorial.py").child.watch(b'{"n": 10000}')

    assert said
    assert all(isinstance(frame, Progressed) for frame in said)


def test_the_invoice_is_read(serve: Serve) -> None:
    served = serve("ocr.py")
    image = data_url((EXAMPLES / "images" / "invoice.png").read_bytes())

    (lines,) = served.run({"image": image})

    assert isinstance(lines, list)
    texts = [line["text"] for line in lines if isinstance(line, dict)]
    assert texts[0] == "HARBOUR SUPPLIES LTD"
    assert {"Invoice 2047", "14 March 2025", "Fishing net", "274.00"} <= {*texts}
    assert "RapidOCR" not in served.child.complaints()


def test_a_file_that_is_no_picture_fails_and_the_next_is_read(serve: Serve) -> None:
    child = serve("ocr.py").child

    (outcome,) = child.run(json.dumps({"image": data_url(b"hare")}).encode())
    (lines,) = serve("ocr.py").run({"image": data_url((EXAMPLES / "images" / "invoice.png").read_bytes())})

    assert isinstance(outcome, Raised)
    assert outcome.error.startswith("UnidentifiedImageError: ")
    assert lines


def test_files_of_several_kinds_are_told_apart_in_one_batch(serve: Serve) -> None:
    files = [
        (EXAMPLES / "ocr.py").read_bytes(),
        (EXAMPLES / "images" / "invoice.png").read_bytes(),
        json.dumps([{"name": "hare", "ears": 2, "born": "open-eyed"}] * 20, indent=1).encode(),
        b"",
    ]

    kinds = serve("filetype.py").run(*[{"data": data_url(file)} for file in files])

    assert [kind["label"] for kind in kinds if isinstance(kind, dict)] == ["python", "png", "json", "empty"]


def test_the_same_seed_writes_the_same_words(serve: Serve) -> None:
    served = serve("textgen.py")
    given: dict[str, Json] = {"prompt": "The harbour", "words": 30, "seed": 7}

    first, second, other = served.stream(given), served.stream(given), served.stream({**given, "seed": 8})

    assert first == second != other
    assert len(first) == 30
    assert all(isinstance(word, str) and word.startswith(" ") for word in first)


def test_without_a_prompt_the_text_begins_without_a_space(serve: Serve) -> None:
    words = serve("textgen.py").stream({"words": 2, "seed": 1})

    assert [str(word)[0] == " " for word in words] == [False, True]


def test_several_hear_the_same_text_at_once_each_from_its_own_place(serve: Serve) -> None:
    served = serve("recite.py")
    told = [{"start": 0, "words": 3, "pause": 0}, {"start": 1, "words": 2, "pause": 0}]

    first, second = [served.stream(given) for given in told]
    _, said = served.child.watch(*[json.dumps(given).encode() for given in told])
    chunks = {
        run: [
            json.loads(chunk)
            for frame in said
            if isinstance(frame, Chunks) and frame.id == run
            for chunk in frame.chunks
        ]
        for run in {frame.id for frame in said if isinstance(frame, Chunks)}
    }

    assert ["".join(map(str, second)).split()] == ["".join(map(str, first)).split()[1:]]
    assert sorted(map(len, chunks.values())) == [2, 3]
