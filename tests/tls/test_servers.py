"""RabbitMQ and Redis by TLS: believed as they should be, and not otherwise, with what to do about it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from pika.exceptions import AMQPError

from leveret.backends.rabbitmq import open_broker
from leveret.backends.rabbitmq.connection import connect, hosts
from leveret.backends.redis.blobs import open_blobs
from leveret.backends.redis.store import RedisStore, open_store
from leveret.core.limits import Allowance
from leveret.errors import InvalidSetting, StoreUnavailable
from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from leveret.tls import BROKER, STORE, Files
from tests.tls.conftest import wrapped
from tests.tls.papers import HOST, Papers

pytestmark = pytest.mark.slow

MODEL: Final = "local/echo"


@pytest.fixture
def certificate(papers: Papers) -> str:
    return papers.sign("leveret", "leveret.internal")


@asynccontextmanager
async def store(port: int, files: Files) -> AsyncIterator[RedisStore]:
    async with open_store(f"rediss://{HOST}:{port}/0", patience=2.0, files=files) as opened:
        yield opened


async def test_the_store_and_its_blobs_work_by_tls_with_certificates_on_both_sides(
    redis: tuple[RedisServer, int], papers: Papers, certificate: str
) -> None:
    files = Files(names=STORE, ca=papers.ca, certificate=certificate, key=papers.key(certificate))

    async def stream() -> AsyncIterator[bytes]:
        yield b"hare"

    async with store(redis[1], files) as opened, open_blobs(f"rediss://{HOST}:{redis[1]}/0", files=files) as blobs:
        await opened.allow("acme", Allowance(rate=1.0, burst=None, queued=None, running=None))
        blob = await blobs.put("files/1", stream(), content_type="text/plain")

        assert {"acme"} == set(await opened.allowances())
        assert b"hare" == b"".join([chunk async for chunk in blobs.open(blob)])


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("no certificate", "it wants a certificate of this client: set store_certificate and store_key|reset by peer"),
        ("another's certificate", "it does not believe the certificate in store_certificate|reset by peer"),
        ("another's ca", "set store_ca to its CA's file"),
        ("no ca", "set store_ca to its CA's file"),
    ],
)
async def test_a_store_that_is_not_believed_or_does_not_believe_us_says_what_to_do(
    redis: tuple[RedisServer, int], papers: Papers, strangers: Papers, *, certificate: str, case: str, reason: str
) -> None:
    cases = {
        "no certificate": Files(names=STORE, ca=papers.ca),
        "another's certificate": Files(names=STORE, ca=papers.ca, certificate=strangers.sign("stranger")),
        "another's ca": Files(names=STORE, ca=strangers.ca, certificate=certificate),
        "no ca": Files(names=STORE, certificate=certificate),
    }

    async with store(redis[1], cases[case]) as opened:
        with pytest.raises(StoreUnavailable, match=reason):
            await opened.allowances()


@pytest.mark.parametrize(
    ("hosts", "expired", "reason"),
    [
        ((HOST,), True, "its certificate has expired"),
        (("redis.internal",), False, "its certificate is for another host"),
    ],
)
async def test_a_store_with_a_wrong_certificate_is_refused(
    redis: tuple[RedisServer, int], papers: Papers, hosts: tuple[str, ...], *, expired: bool, reason: str
) -> None:
    wrong = papers.sign(f"wrong-{expired}", *hosts, expired=expired)

    async with wrapped(redis[0].url, wrong) as port, store(port, Files(names=STORE, ca=papers.ca)) as opened:
        with pytest.raises(StoreUnavailable, match=reason):
            await opened.allowances()


async def test_the_broker_works_by_tls_with_certificates_on_both_sides(
    rabbit: tuple[RabbitServer, int], papers: Papers, certificate: str
) -> None:
    files = Files(names=BROKER, ca=papers.ca, certificate=certificate, key=papers.key(certificate))

    async with open_broker(f"amqps://guest:guest@{HOST}:{rabbit[1]}/", files=files) as broker:
        await broker.declare(MODEL)

        assert (0, 0, 0, 0) == await broker.depth(MODEL)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("no certificate", "it wants a certificate of this client: set broker_certificate and broker_key"),
        ("another's ca", "set broker_ca to its CA's file"),
        ("plain", "it does not speak TLS at this port"),
    ],
)
async def test_a_broker_that_is_not_believed_or_does_not_believe_us_says_what_to_do(
    rabbit: tuple[RabbitServer, int], papers: Papers, strangers: Papers, *, certificate: str, case: str, reason: str
) -> None:
    files = Files(names=BROKER, ca=papers.ca)
    if case == "another's ca":
        files = Files(names=BROKER, ca=strangers.ca, certificate=certificate)
    port = rabbit[0].port if case == "plain" else rabbit[1]

    assert reason in await troubles(port, files)


@pytest.mark.parametrize(
    ("hosts", "expired", "reason"),
    [
        ((HOST,), True, "its certificate has expired"),
        (("rabbit.internal",), False, "its certificate is for another host"),
    ],
)
async def test_a_broker_with_a_wrong_certificate_is_refused(
    rabbit: tuple[RabbitServer, int], papers: Papers, hosts: tuple[str, ...], *, expired: bool, reason: str
) -> None:
    wrong = papers.sign(f"wrong-{expired}", *hosts, expired=expired)

    async with wrapped(rabbit[0].url, wrong) as port:
        assert reason in await troubles(port, Files(names=BROKER, ca=papers.ca))


async def troubles(port: int, files: Files) -> str:
    """Why there is no connection to a broker there."""
    (parameters,) = hosts(f"amqps://guest:guest@{HOST}:{port}/", files)
    with pytest.raises(AMQPError) as error:
        async with connect(parameters, role="test"):
            pass
    return str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "rediss://localhost/0?ssl_cert_reqs=none",
        "rediss://localhost/0?ssl_check_hostname=false",
        "rediss://localhost/0?ssl_ca_certs=x",
    ],
)
async def test_no_url_of_a_store_switches_verification_off(url: str) -> None:
    with pytest.raises(InvalidSetting, match=r"could switch verification off.* set store_ca"):
        async with open_store(url):
            pass


async def test_no_url_of_a_broker_switches_verification_off() -> None:
    url = "amqps://localhost/?ssl_options=%7B%27verify_mode%27%3A0%7D"

    with pytest.raises(InvalidSetting, match=r"could switch verification off; set broker_ca"):
        async with open_broker(url):
            pass


async def test_files_that_a_plain_url_would_leave_unused_are_refused(papers: Papers) -> None:
    with pytest.raises(InvalidSetting, match=r"store_ca.*does not begin with rediss://"):
        async with open_store("redis://localhost/0", files=Files(names=STORE, ca=papers.ca)):
            pass
    with pytest.raises(InvalidSetting, match=r"broker_key.*does not begin with amqps://"):
        async with open_broker("amqps://localhost,amqp://localhost", files=Files(names=BROKER, key="key.pem")):
            pass
