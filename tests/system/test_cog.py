"""Folders made for Cog, served as they stand with the real package."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from replicate.client import Client

from tests.system.program import Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

HARE = Path(__file__).parent / "cog_hare"
FILES = """
from cog import BaseModel, BasePredictor, File, Input, Path, Secret

class Answer(BaseModel):
    path: Path
    length: int
    hidden: str

class Predictor(BasePredictor):
    def setup(self, weights=None):
        self.weights = weights

    def predict(self, text: Path, key: Secret = Input(default=None), more: list[Path] = Input(default=[])) -> Answer:
        out = Path("/tmp") / (text.name + ".out")
        out.write_bytes(text.read_bytes()[::-1])
        return Answer(path=out, length=len(more), hidden=str(key))
"""
LATER = """
import asyncio
from cog import AsyncConcatenateIterator, BasePredictor, Input

class Predictor(BasePredictor):
    async def setup(self) -> None:
        self.begun = 0

    async def predict(self, text: str = Input()) -> AsyncConcatenateIterator[str]:
        self.begun += 1
        while self.begun < 2:
            await asyncio.sleep(0.01)
        for letter in text:
            yield letter
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    shutil.copytree(HARE, folder / "hare")
    for name, predictor, more in (("Some Files", FILES, ""), ("later", LATER, "concurrency:\n  max: 2\n")):
        (folder / name).mkdir()
        (folder / name / "cog.yaml").write_text(f"build: {{}}\npredict: predict.py:Predictor\n{more}")
        (folder / name / "predict.py").write_text(predictor)
    with Program("serve", "./hare", "./Some Files", "later", "--port", str(port), folder=folder) as server:
        server.wait_ready()
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def client(address: str) -> Iterator[Client]:
    client = Client(api_token="any", base_url=address)
    yield client
    client._client.close()


def test_a_predictor_streams_to_the_official_client(client: Client) -> None:
    chunks = [str(event) for event in client.stream("acme/hare", input={"prompt": "go", "style": "loud"})]
    joined = client.run("acme/hare", input={"prompt": "go", "count": 3})

    assert "go HOP SKIP" == "".join(chunks)
    assert "go hop skip jump" == "".join(joined)


def test_its_inputs_are_checked_as_it_says(address: str) -> None:
    schema = httpx2.get(f"{address}/v1/models/acme/hare").json()["latest_version"]["openapi_schema"]
    properties = schema["components"]["schemas"]["Input"]["properties"]
    answers = [
        httpx2.post(f"{address}/v1/models/acme/hare/predictions", json={"input": given})
        for given in ({}, {"prompt": ""}, {"prompt": "go", "count": 4}, {"prompt": "go", "style": "shrill"})
    ]

    assert ["prompt", "count", "style", "image"] == list(properties)
    assert ("How many words", 1, 3, 2) == tuple(
        properties["count"][name] for name in ("description", "minimum", "maximum", "default")
    )
    assert ["calm", "loud"] == properties["style"]["enum"]
    assert ["prompt"] == schema["components"]["schemas"]["Input"]["required"]
    assert [422] * 4 == [answer.status_code for answer in answers]


def test_files_go_in_and_out(client: Client, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"hare")

    with (tmp_path / "a.txt").open("rb") as file:
        sized = client.run("acme/hare", input={"prompt": "go", "count": 1, "image": file})
    answer = client.run(
        "local/some-files",
        input={"text": "data:text/plain;base64,aGFyZQ==", "key": "s3cret", "more": ["data:,a", "data:,b"]},
    )

    assert "go hop 4" == "".join(sized)
    assert isinstance(answer, dict)
    assert (2, "**********") == (answer["length"], answer["hidden"])
    assert b"erah" == httpx2.get(str(answer["path"])).content


def test_an_asynchronous_predictor_runs_as_many_at_once_as_its_folder_says(client: Client) -> None:
    asked = [client.predictions.create(model="local/later", input={"text": text}) for text in ("hop", "go")]
    for prediction in asked:
        prediction.wait()

    assert [["h", "o", "p"], ["g", "o"]] == [prediction.output for prediction in asked]


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ("predict: predict.py", "must name a file beside it"),
        ("predict: nothing.py:Predictor", "must name a file beside it"),
        ("predict: [", "it cannot be read"),
        ("predict: predict.py:Nobody", "there is no function or class 'Nobody'"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(tmp_path: Path, manifest: str, reason: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "cog.yaml").write_text(manifest)
    (tmp_path / "one" / "predict.py").write_text("class Predictor: ...")

    with Program("serve", "one", "--port", str(free_port()), folder=tmp_path) as program:
        code = program.process.wait(30)

    assert 2 == code
    assert reason in program.log
