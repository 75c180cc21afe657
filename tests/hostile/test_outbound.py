"""URLs that clients choose: none of them leads to where only we can go, or says more than a URL."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle, islice

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leveret.config import OutboundSettings
from leveret.core.signature import new_secret
from leveret.errors import InputUnreadable
from leveret.outbound import Fetcher, Guard, open_client
from leveret.webhooks.caller import Answer, Caller
from tests.hostile.mutations import mutated
from tests.hostile.names import serving_names
from tests.hostile.victim import Victim
from tests.outbound.servers import LOOPBACK, Receiver, receiving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

TLS = ssl.create_default_context()
"""Made once: that reads a lot of certificates."""

ECHO = "/v1/models/local/echo/predictions"
HOSTS = (
    *("127.0.0.1", "127.1", "127.0.1", "0x7f000001", "0x7f.0.0.1", "2130706433", "017700000001", "0177.0.0.01"),
    *("127.0.0.1.", "0", "0.0.0.0", "localhost", "LOCALHOST", "localhost.", "x.localhost", "127.0.0.1%00.example"),
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[fe80::1%25lo]"),
    *("[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::a00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]"),
    *("169.254.169.254", "0xa9fea9fe", "2852039166", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "100.100.100.200"),
    *("10.0.0.1", "012.0.0.1", "0xa.1", "167772161", "172.16.0.1", "192.168.0.1", "192.168.1", "168.63.129.16"),
    *("198.18.0.1", "224.0.0.1", "255.255.255.255", "[ff02::1]", "[fc00::1]", "[fec0::1]", "[100::1]"),
    *("①②⑦.⓪.⓪.①", "127。0。0。1", "\uff11\uff12\uff17.0.0.1", "loca\u00adlhost", "ⓛocalhost"),
    *(
        "a@127.0.0.1",
        "127.0.0.1#@a.example",
        "a.example\\@127.0.0.1",
        "127.0.0.1\\.a.example",
        "[::1",
        "",
        "a b",
        "a..b",
        "a" * 64,
    ),
)
"""Ways to write an address that is not of the public internet, or that two readers could understand in two ways."""

LINES = (
    "\r\nX-Evil: 1",
    "%0d%0aX-Evil: 1",
    "\nX-Evil: 1",
    "\rX-Evil: 1",
    " HTTP/1.1\r\nX-Evil: 1",
    "\u560d\u560aX-Evil: 1",
    "\0",
)


@pytest.mark.parametrize("host", HOSTS)
def test_no_webhook_leads_to_where_only_we_can_go(victim: Victim, host: str) -> None:
    answer = victim.client.post(ECHO, json={"input": {"text": "a"}, "webhook": f"https://{host}/hook"})

    assert (422, "url_forbidden") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://a.example/\r\nX-Evil: 1",
            "https://a.example\r\nX-Evil: 1",
            "https://a.example/\0",
            "\thttps://a.example",
        ),
        *(
            "http://a.example/",
            "ftp://a.example/",
            "file:///etc/passwd",
            "gopher://a.example/",
            "//a.example/",
            "data:,x",
        ),
        *(
            "javascript:alert(1)",
            "https:/\\a.example",
            "https:a.example",
            "https://a.example:0/",
            "https://a.example:1e3/",
        ),
        "https://a.example/" + "a" * 5000,
    ],
)
def test_what_is_no_plain_url_is_no_webhook(victim: Victim, url: str) -> None:
    answer = victim.client.post(ECHO, json={"input": {"text": "a"}, "webhook": url})

    assert (422, "url_forbidden") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    "host", [*HOSTS[:4], "[::ffff:127.0.0.1]", "169.254.169.254", "[64:ff9b::7f00:1]", "a@127.0.0.1"]
)
def test_no_file_of_an_input_is_fetched_from_where_only_we_can_go(victim: Victim, host: str) -> None:
    ended = victim.run("size", {"file": f"https://{host}:{victim.port}/v1/predictions"}).json()

    assert "failed" == ended["status"]
    assert "does not call" in ended["error"]


@asynccontextmanager
async def calling(guard: Guard) -> AsyncIterator[Caller]:
    async with open_client(guard, patience=10, verify=TLS) as client:
        yield Caller(client=client, patience=10)


async def called(caller: Caller, url: str) -> Answer:
    return await caller.call(url, secret=new_secret(b"\r\nX-Evil: 1" + bytes(32)), webhook_id="msg_a_1", body=b"{}")


@pytest.mark.parametrize("line", LINES)
async def test_no_url_adds_a_line_to_the_head_of_a_call(line: str) -> None:
    async with receiving() as receiver, calling(Guard(LOOPBACK)) as caller:
        answers = [
            await called(caller, f"http://127.0.0.1:{receiver.port}{place}{line}") for place in ("", "/", "/?a=", "/#")
        ]

    assert all(answer.accepted or answer.error for answer in answers)
    assert "\nx-evil" not in "".join(receiver.heads).lower()
    assert all("webhook-signature: v1," in head for head in receiver.heads)


@settings(max_examples=100, deadline=None)
@given(mutated(st.sampled_from([b"http://127.0.0.1:PORT/hook?a=b#c", b"http://hooks.example:PORT/"])))
@example("http://127.0.0.1:PORT/é\u2028".encode())
@example(b"http://127.0.0.1:PORT/\r\nX-Evil: 1")
def test_whatever_a_url_says_a_call_has_an_answer(changed: bytes) -> None:
    async def call() -> tuple[Answer, Receiver]:
        async with serving_names(["127.0.0.1"]) as (_, look_up), receiving() as receiver:
            url = changed.decode(errors="replace").replace("PORT", str(receiver.port))
            async with calling(Guard(LOOPBACK, lookup=look_up)) as caller:
                return await called(caller, url), receiver

    answer, receiver = asyncio.run(call())

    assert (answer.status is None) == (answer.error is not None)
    assert receiver.connections == (answer.status is not None)


INSIDE = "127.0.0.2"
"""An address at which something listens that nobody outside may reach."""


@asynccontextmanager
async def two_places() -> AsyncIterator[tuple[Receiver, Receiver]]:
    """Receivers at the same port: one that may be called, and one inside."""
    async with receiving() as outside:
        inside = Receiver(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
        async with await asyncio.start_server(inside.serve, INSIDE, outside.port):
            yield outside, inside
            await inside.close()


@pytest.mark.parametrize(
    "answers",
    [
        [["127.0.0.1"], [INSIDE]],
        [[INSIDE], ["127.0.0.1"]],
        [["127.0.0.1"], ["127.0.0.1"], [INSIDE]],
        [["127.0.0.1", INSIDE], ["127.0.0.1"]],
        [[INSIDE, "127.0.0.1"], [INSIDE]],
    ],
)
async def test_a_name_that_leads_elsewhere_at_each_question_never_leads_inside(answers: list[list[str]]) -> None:
    rounds = 12
    async with serving_names(*answers) as (names, look_up), two_places() as (outside, inside):
        guard = Guard(LOOPBACK, lookup=look_up)
        url = f"http://rebind.example:{outside.port}/"
        async with calling(guard) as caller:
            told = [await called(caller, url) for _ in range(rounds)]
        fetcher = Fetcher(guard, most=1000, timeout=10)
        fetched = [await _fetched(fetcher, url) for _ in range(rounds)]

    allowed = [answer == ["127.0.0.1"] for answer in islice(cycle(answers), 2 * rounds)]
    assert allowed == [answer.accepted for answer in told] + [content == b"ok" for content in fetched]
    assert (2 * rounds, sum(allowed), 0) == (names.asked, outside.connections, inside.connections)


async def test_a_redirect_to_a_name_that_leads_inside_is_not_followed() -> None:
    async with serving_names(["127.0.0.1"], [INSIDE]) as (_, look_up), two_places() as (outside, inside):
        location = f"Location: http://rebind.example:{outside.port}/there"
        outside.answer = f"HTTP/1.1 302 Found\r\n{location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
        outside.closes = True
        fetcher = Fetcher(Guard(LOOPBACK, lookup=look_up), most=1000, timeout=10)

        assert b"" == await _fetched(fetcher, f"http://rebind.example:{outside.port}/")

    assert (1, 0) == (outside.connections, inside.connections)


async def test_by_default_no_answer_of_a_name_server_opens_a_way_inside() -> None:
    async with (
        serving_names(["127.0.0.1"], ["169.254.169.254"], ["10.0.0.1"], ["0.0.0.0"]) as (names, look_up),
        calling(Guard(OutboundSettings(allow_http=True), lookup=look_up)) as caller,
    ):
        told = [await called(caller, "http://rebind.example/") for _ in range(4)]

    assert 4 == names.asked
    assert all("not an address of the public internet" in (answer.error or "") for answer in told)


async def _fetched(fetcher: Fetcher, url: str) -> bytes:
    """Nothing if it is refused."""
    try:
        async with fetcher.fetch(url) as file:
            return b"".join([chunk async for chunk in file.content])
    except InputUnreadable:
        return b""
