"""Fetching: what is read from a URL, within which limits, and what is said when it cannot be."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from leveret.config import OutboundSettings
from leveret.errors import InputUnreadable
from leveret.outbound import Fetcher, Guard
from leveret.outbound.fetching import MOST_REDIRECTS
from tests.outbound.servers import LOOPBACK, Receiver, receiving

MOST = 1000
LONG = 20.0


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


async def fetched(
    receiver: Receiver,
    path: str = "/a/hare.png?token=secret",
    *,
    host: str = "127.0.0.1",
    patience: float = LONG,
    settings: OutboundSettings = LOOPBACK,
) -> tuple[str, str, bytes]:
    """Content type, name and content."""
    url = f"http://{host}:{receiver.port}{path}"
    async with Fetcher(Guard(settings), most=MOST, timeout=patience).fetch(url) as file:
        return file.content_type, file.name, b"".join([chunk async for chunk in file.content])


async def test_a_file_is_read_with_what_its_server_says_of_it() -> None:
    async with receiving(answer(b"hare", "Content-Type: image/png")) as receiver:
        assert ("image/png", "hare.png", b"hare") == await fetched(receiver)
        assert ("image/png", "häre ☃.png", b"hare") == await fetched(receiver, "/h%C3%A4re%20%E2%98%83.png")
        assert ("image/png", "", b"hare") == await fetched(receiver, "")


async def test_a_redirect_is_followed_where_the_guard_lets_it() -> None:
    async with receiving(answer(b"hare")) as last:
        location = f"Location: http://127.0.0.1:{last.port}/there"
        async with receiving(answer(b"", location, status="302 Found")) as first:
            assert ("", "here.png", b"hare") == await fetched(first, "/here.png")

    assert last.heads[0].startswith("GET /there ")


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.2/", "http://169.254.169.254/latest/meta-data", "http://localhost.:1/", "file:///etc/passwd"],
)
async def test_a_redirect_leads_nowhere_that_the_guard_forbids(location: str) -> None:
    async with receiving(answer(b"", f"Location: {location}", status="302 Found")) as receiver:
        with pytest.raises(InputUnreadable, match=r"does not call|http://"):
            await fetched(receiver)


async def test_redirects_end_somewhere() -> None:
    async with receiving(b"") as receiver:
        receiver.answer = answer(b"", f"Location: http://127.0.0.1:{receiver.port}/again", status="307 Temporary")
        with pytest.raises(InputUnreadable, match=f"more than {MOST_REDIRECTS} redirects"):
            await fetched(receiver)

    assert MOST_REDIRECTS + 1 == len(receiver.heads)


async def test_by_default_only_https_to_the_public_internet_is_called() -> None:
    async with receiving(answer(b"hare")) as receiver:
        with pytest.raises(InputUnreadable, match="it must begin with https://"):
            await fetched(receiver, settings=OutboundSettings())
        with pytest.raises(InputUnreadable, match="not an address of the public internet"):
            await fetched(receiver, settings=OutboundSettings(allow_http=True))

    assert 0 == receiver.connections


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (answer(b"", status="404 Not Found"), "its server answered 404"),
        (answer(b"", status="500 Oh"), "its server answered 500"),
        (answer(b"", status="304 Not Modified"), "its server answered 304"),
        (answer(b"x" * (MOST + 1)), f"larger than {MOST} bytes"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * (MOST + 1), f"larger than {MOST} bytes"),
        (answer(gzip.compress(b"x" * 100_000), "Content-Encoding: gzip"), f"larger than {MOST} bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhare", "peer closed"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "cannot be read"),
    ],
)
async def test_what_cannot_be_had_is_told_without_the_secrets_of_its_url(content: bytes, problem: str) -> None:
    async with receiving(content, closes=True) as receiver:
        with pytest.raises(InputUnreadable, match=problem) as failed:
            await fetched(receiver)

    assert f"http://127.0.0.1:{receiver.port}/a/hare.png " in str(failed.value)
    assert "secret" not in str(failed.value)


async def test_a_server_that_is_slow_is_not_waited_for() -> None:
    async with receiving(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhare") as receiver:
        with pytest.raises(InputUnreadable, match=r"longer than 0\.3 seconds"):
            await fetched(receiver, patience=0.3)


async def test_a_server_that_is_not_there_is_named() -> None:
    async with receiving(b"") as receiver:
        pass
    with pytest.raises(InputUnreadable, match=r"hare\.png cannot be read: "):
        await fetched(receiver)


async def test_many_are_fetched_at_once_and_none_gets_the_cookies_of_another() -> None:
    async with receiving(answer(b"hare", "Set-Cookie: session=secret; Path=/")) as receiver:
        fetcher = Fetcher(Guard(LOOPBACK), most=MOST, timeout=LONG)

        async def one(number: int) -> bytes:
            async with fetcher.fetch(f"http://127.0.0.1:{receiver.port}/{number}") as file:
                return b"".join([chunk async for chunk in file.content])

        assert b"hare" == await one(0)
        assert [b"hare"] * 20 == await asyncio.gather(*[one(number) for number in range(20)])

    assert "secret" not in "".join(receiver.heads)
