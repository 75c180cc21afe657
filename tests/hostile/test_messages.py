"""Poison in the queues: it ends as dead letters, or as predictions that have failed, and the work goes on."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import httpx2
import msgspec
import pika
import psutil
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from leveret.core import wire
from leveret.errors import Undecodable
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from tests.hostile.mutations import INTERESTING, Change
from tests.hostile.victim import eventually
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

POISONS: Final = 200
PATIENCE: Final = 60.0
MODEL: Final = """
from leveret import File, model

@model(retries=0)
def weigh(text: str = "", file: File | None = None) -> int:
    return len(text)
"""
LANE: Final = "leveret.local.weigh.0"


def message(prediction_id: str, given: bytes = b'{"text":"hare"}', **members: object) -> bytes:
    head = msgspec.json.encode({"id": prediction_id, "model": "local/weigh", "created_at": time.time(), **members})
    return head[:-1] + b',"input":' + given + b"}"


def poison(seed: int) -> bytes:
    """A message with some of its bytes taken for others, the same for the same seed."""
    chance = random.Random(seed)
    data = message(f"m{seed}", account="acme", priority="high", lane=1, retention=60.0, webhook={"url": "https://a.b/"})
    for _ in range(chance.randint(1, 4)):
        new = chance.choice([*INTERESTING, chance.randbytes(3)])
        data = Change(chance.randrange(len(data)), chance.randrange(12), new).made(data)
    return data


STRANGE: Final = {
    "deep": message("deep", b'{"text":"https:x","x":' + b"[" * 490 + b"]" * 490 + b"}"),
    "too-deep": message("too-deep", b'{"text":"https:x","x":' + b"[" * 600 + b"]" * 600 + b"}"),
    "deeper": message("deeper", b'{"file":"https://a.b/","text":' + b"[" * 50_000 + b"]" * 50_000 + b"}"),
    "array": message("array", b"[]"),
    "number": message("number", b"1" + b"0" * 5000),
    "nul": message("nul", b'{"text":"\\u0000"}', account="a\0b\n"),
    "half": message("half", b'{"text":"\\ud800"}'),
    "long": message("long", account="a" * 100_000, version="v" * 100_000),
    "spool": message("spool", b'{"file":"leveret-spool:../../../etc/passwd?name=x"}'),
    "blob": message("blob", b'{"file":"leveret-blob:../../../etc/passwd"}'),
    "kept": message("kept", b"{}", input_blob={"key": "../../../../etc/passwd", "size": 1, "sha256": "0" * 64}),
    "local": message("local", b'{"file":"file:///etc/passwd"}'),
    "inside": message("inside", b'{"file":"https://169.254.169.254/latest/meta-data"}'),
    "hook": message("hook", webhook={"url": "https://a.b/\r\nX-Evil: 1", "events": ["completed"]}),
    "reply": message("reply", reply_to={"queue": "a\0b", "correlation_id": "\0"}),
    "past": message("past", deadline=1.0),
    "seen": message("seen", attempt=1_000_000, charged=1_000_000),
}
"""Each is called as its prediction is."""


class Site:
    """A gateway and a worker on a broker to which everybody may publish."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        (folder / "weigh.py").write_text(MODEL)
        redis, rabbit = stack.enter_context(RedisServer()), stack.enter_context(RabbitServer())
        port = free_port()
        environment = {**QUICK, "LEVERET_BROKER_URL": rabbit.url, "LEVERET_STORE_URL": redis.url}
        self.programs = [
            stack.enter_context(Program(*command, folder=folder, environment=environment))
            for command in (("gateway", "--port", str(port)), ("worker", "weigh.py"))
        ]
        for program in self.programs:
            program.wait_ready()
        self.client = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30))
        connection = stack.enter_context(pika.BlockingConnection(pika.URLParameters(rabbit.url)))
        self.channel: BlockingChannel = connection.channel()
        self.channel.confirm_delivery()

    def publish(self, body: bytes) -> None:
        self.channel.basic_publish("", LANE, body, mandatory=True)

    def ends(self, prediction_id: str) -> dict[str, object]:
        """The prediction when it has ended, or nothing if it is no more to be had."""
        until = time.monotonic() + PATIENCE
        while True:
            answer = self.client.get(f"/v1/predictions/{prediction_id}")
            assert answer.status_code < 500
            if answer.status_code == 200 and answer.json(parse_int=float)["status"] not in {"starting", "processing"}:
                return dict(answer.json(parse_int=float))
            assert time.monotonic() < until, (prediction_id, answer.text[:500])
            time.sleep(0.02)

    def dead(self) -> int:
        """How many dead letters there are, and what waits to become one."""
        found, after = 0, ""
        while True:
            page = self.client.get(f"/admin/v1/dead{after}").json()
            found += len([one for one in page["results"] if one["why"] == "foreign"])
            if page["next"] is None:
                return found
            after = "?" + page["next"].partition("?")[2]

    def calls(self, prediction_id: str) -> int:
        """How often the webhook of the prediction was called, or was tried to be."""
        answer = self.client.get(f"/v1/predictions/{prediction_id}/webhooks")
        return len(answer.json()["results"]) if answer.status_code == 200 else 0

    def tracebacks(self) -> str:
        """What has failed that nobody expected."""
        return "".join(program.log.partition("Traceback")[2] for program in self.programs)

    def open_files(self) -> int:
        return sum(psutil.Process(program.process.pid).num_fds() for program in self.programs)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path_factory.mktemp("poison"), stack)


def understood(body: bytes) -> bool:
    try:
        return wire.decode(body).model == "local/weigh"
    except Undecodable:
        return False


def test_poison_ends_as_dead_letters_and_what_is_behind_it_is_served(site: Site) -> None:
    site.publish(message("warm"))
    assert 4 == site.ends("warm")["output"]
    files, pids = site.open_files(), [program.process.pid for program in site.programs]
    poisons = [poison(seed) for seed in range(POISONS)]

    for body in poisons:
        site.publish(body)
    site.publish(message("behind"))

    assert 4 == site.ends("behind")["output"]
    foreign = POISONS - sum(map(understood, poisons))
    assert foreign > POISONS / 2
    assert foreign == eventually(site.dead, lambda found: found >= foreign)
    eventually(site.open_files, lambda found: found <= files)
    assert pids == [program.process.pid for program in site.programs if program.process.poll() is None]
    assert not site.tracebacks()


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_understood_and_strange_ends_and_what_is_behind_it_is_served(site: Site, name: str) -> None:
    dead = site.dead()
    known = understood(STRANGE[name])

    site.publish(STRANGE[name])
    site.publish(message(f"behind-{name}"))

    assert 4 == site.ends(f"behind-{name}")["output"]
    if known:
        ended = site.ends(name)
        assert ended["status"] in {"succeeded", "failed", "canceled"}
        eventually(lambda: site.calls(name), lambda found: found > 0 or name != "hook")
    else:
        eventually(site.dead, lambda found: found > dead)
    assert not site.tracebacks()
