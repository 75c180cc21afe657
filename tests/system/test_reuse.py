"""What asks for the same is run once, whatever becomes of the one that runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from leveret.client import Client, Handle, Prediction
from leveret.testing.redis_server import RedisServer
from tests.system import rabbit
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

MODELS = """
import os, time
from collections.abc import Iterator
from pathlib import Path
from leveret import model

def noted(word):
    with open("runs", "a") as runs:
        runs.write(word + "\\n")
    while not Path("open").exists():
        time.sleep(0.005)
    if Path("broken").exists():
        raise ValueError("broken")

@model(reuse=600, retries=0)
def upper(word: str, times: int = 1) -> str:
    noted(word)
    return word.upper() * times

@model(reuse=600)
def spell(word: str) -> Iterator[str]:
    noted(word)
    yield from word

@model(reuse=600)
def draw(word: str) -> bytes:
    noted(word)
    return word.encode()
"""
NAMES = ("upper", "spell", "draw")


class Site:
    """A server whose models wait for a gate."""

    def __init__(self, folder: Path, client: Client) -> None:
        self.folder = folder
        self.client = client

    def open(self) -> None:
        (self.folder / "open").touch()

    def runs(self) -> Counter[str]:
        return Counter((self.folder / "runs").read_text().split())

    def ask(self, count: int, word: str, name: str = "upper") -> list[Handle]:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda _: self.client.submit(name, {"word": word}), range(count)))


@pytest.fixture(params=["embedded", "apart"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    (tmp_path / "models.py").write_text(MODELS)
    port, environment = free_port(), dict(QUICK)
    targets = [f"models.py:{name}" for name in NAMES]
    with ExitStack() as stack:
        if request.param == "apart":
            store = stack.enter_context(RedisServer())
            environment |= {**rabbit.a_namespace(), "LEVERET_STORE_URL": store.url}
        line = ("serve", *targets, "--port", str(port), "--worker-processes", "2")
        program = stack.enter_context(Program(*line, folder=tmp_path, environment=environment))
        program.wait_ready()
        yield Site(tmp_path, stack.enter_context(Client(f"http://127.0.0.1:{port}")))


def test_the_same_is_run_once_and_known_afterwards(site: Site) -> None:
    asked = site.ask(6, "hare")
    site.open()
    ended = [handle.wait(60) for handle in asked]
    later = site.client.submit("upper", {"times": 1, "word": "hare"}).prediction
    anew = site.client.submit("upper", {"word": "hare"}, reuse=False).wait(60)

    leaders = [one for one in ended if one.reused is None]
    assert ["HARE"] * 6 == [one.output for one in ended]
    assert 1 == len(leaders)
    assert {leaders[0].id, None} == {one.reused for one in ended}
    assert ("succeeded", "HARE", leaders[0].id) == (later.status, later.output, later.reused)
    assert ("HARE", None) == (anew.output, anew.reused)
    assert {"hare": 2} == site.runs()


def test_whoever_runs_may_be_canceled_or_fail_and_the_others_go_on(site: Site) -> None:
    first, *others = site.ask(3, "leveret")
    running = _running([first, *others])
    rest = [handle for handle in (first, *others) if handle.id != running.id]
    running.cancel()
    assert "canceled" == running.wait(60).status
    (site.folder / "broken").touch()
    site.open()
    failed = _first(rest)
    (site.folder / "broken").unlink()
    ended = [handle.wait(60) for handle in rest if handle.id != failed.id]

    assert ("failed", "ValueError: broken") == (failed.status, failed.error)
    assert all(one.status in {"failed", "succeeded"} for one in ended)
    assert site.client.run("upper", {"word": "leveret"}, timeout=60) == "LEVERET"


def test_streams_and_files_are_each_ones_own(site: Site) -> None:
    site.open()
    spelled = [site.client.submit("spell", {"word": "hop"}) for _ in range(2)]
    chunks = [list(handle.stream()) for handle in spelled]
    drawn = [site.client.submit("draw", {"word": "ear"}).wait(60) for _ in range(2)]
    files = [site.client.download(str(one.output), site.folder / one.id).read_bytes() for one in drawn]
    site.client.delete(drawn[0].id)
    kept = site.client.download(str(site.client.get(drawn[1].id).prediction.output), site.folder / "kept").read_bytes()

    assert [["h", "o", "p"]] * 2 == chunks
    assert [b"ear"] * 2 == files
    assert b"ear" == kept
    assert drawn[0].id == drawn[1].reused
    assert {"hop": 1, "ear": 1} == site.runs()


def _running(handles: list[Handle]) -> Handle:
    while True:
        for handle in handles:
            if handle.reload().status == "processing":
                return handle


def _first(handles: list[Handle]) -> Prediction:
    """The first that ends."""
    while True:
        for handle in handles:
            if handle.reload().ended:
                return handle.prediction
