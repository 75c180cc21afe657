from __future__ import annotations

from collections.abc import Sequence

import pytest

from leveret.config import OutboundSettings
from leveret.errors import HostUnresolved, UrlForbidden
from leveret.outbound import Guard, Target

NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.1.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::1.1.1.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::10.0.0.1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "1.1.1.1",
    "100.63.255.255",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.255.255",
    "::ffff:1.1.1.1",
    "2606:4700::1111",
    "2a00::1",
]


def guard(*found: str, allow_http: bool = False, allow: str = "") -> Guard:
    async def lookup(_host: str, _port: int) -> Sequence[str]:
        return found

    return Guard(OutboundSettings(allow_http=allow_http, allow=allow), lookup=lookup)


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_a_name_that_leads_to_no_public_address_is_forbidden(address: str) -> None:
    with pytest.raises(UrlForbidden, match="not an address of the public internet"):
        await guard(address).resolve("https://hooks.example/")


@pytest.mark.parametrize("address", PUBLIC)
async def test_a_name_that_leads_to_a_public_address_is_resolved(address: str) -> None:
    assert Target("hooks.example", 443, (address,)) == await guard(address).resolve("https://hooks.example/")


async def test_one_address_that_is_not_public_is_enough_to_forbid_a_name() -> None:
    with pytest.raises(UrlForbidden, match="leads to what is not an address"):
        await guard("1.1.1.1", "10.0.0.1").resolve("https://hooks.example/")


async def test_where_a_name_leads_in_here_is_not_told() -> None:
    with pytest.raises(UrlForbidden) as refused:
        await guard("10.1.2.3").resolve("https://hooks.example/")

    assert "10.1.2.3" not in str(refused.value)
    assert "10.1.2.3" not in str(refused.value.data)


async def test_a_network_in_the_settings_is_allowed_and_nothing_beside_it() -> None:
    allow = "10.1.0.0/16, fd00:1::/32"

    assert (await guard("10.1.2.3", allow=allow).resolve("https://hooks.example/")).addresses == ("10.1.2.3",)
    assert (await guard("::ffff:10.1.2.3", allow=allow).resolve("https://hooks.example/")).addresses
    assert (await guard("fd00:1::5", allow=allow).resolve("https://hooks.example/")).addresses == ("fd00:1::5",)
    with pytest.raises(UrlForbidden):
        await guard("10.2.0.0", allow=allow).resolve("https://hooks.example/")
    with pytest.raises(UrlForbidden):
        await guard("fd00:2::5", allow=allow).resolve("https://hooks.example/")


@pytest.mark.parametrize("address", [address for address in NOT_PUBLIC if "%" not in address])
def test_a_url_with_such_an_address_is_forbidden_before_anybody_is_asked(address: str) -> None:
    host = f"[{address}]" if ":" in address else address

    with pytest.raises(UrlForbidden):
        guard().check(f"https://{host}/")


@pytest.mark.parametrize(
    "host", ["127.1", "127.0.0.1.", "0x7f.1", "2130706433", "017700000001", "localhost", "a.localhost."]
)
def test_other_spellings_of_loopback_are_forbidden(host: str) -> None:
    with pytest.raises(UrlForbidden, match=r"127\.0\.0\.1"):
        guard().check(f"https://{host}/")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://hooks.example/", "must begin with https://"),
        ("ftp://hooks.example/", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("hooks.example", "must begin with https://"),
        ("", "must begin with https://"),
        ("https:///path", "must name a host"),
        ("https://user:secret@hooks.example/", "user"),
        ("https://1.1.1.1 &@2.2.2.2# @3.3.3.3/", "user"),
        ("https://evil\\@hooks.example/", "user"),
        ("https://hooks example/", "must name a host"),
        ("https://hooks%00.example/", "must name a host"),
        ("https://hooks..example/", "must name a host"),
        (f"https://{'a' * 64}.example/", "must name a host"),
        ("https://hooks.example:0/", "port"),
        ("https://hooks.example:65536/", "port"),
        ("https://hooks.example/\r\nX: y", "non-printable"),
        ("https://①②⑦.0.0.1/", "IDNA"),
        ("https://hooks.example/" + "a" * 2048, "longer"),
    ],
)
def test_a_url_that_nobody_should_call_is_forbidden_with_the_reason(url: str, reason: str) -> None:
    with pytest.raises(UrlForbidden, match=reason):
        guard().check(url)


@pytest.mark.parametrize(
    "url", ["https://hooks.example", "HTTPS://HOOKS.EXAMPLE:8443/a?b#c", "https://müller.example/"]
)
def test_a_url_that_may_be_called_passes(url: str) -> None:
    guard().check(url)


async def test_plain_http_can_be_allowed() -> None:
    resolved = await guard("1.1.1.1", allow_http=True).resolve("http://hooks.example/")

    assert Target("hooks.example", 80, ("1.1.1.1",)) == resolved


async def test_a_name_without_an_address_is_unresolved() -> None:
    with pytest.raises(HostUnresolved, match="no address"):
        await guard().resolve("https://hooks.example/")


async def test_a_lookup_that_fails_is_told_with_its_reason() -> None:
    async def lookup(_host: str, _port: int) -> Sequence[str]:
        raise OSError("the resolver is away")

    with pytest.raises(HostUnresolved, match="the resolver is away"):
        await Guard(OutboundSettings(), lookup=lookup).resolve("https://hooks.example/")


async def test_the_systems_resolver_is_asked_by_default() -> None:
    with pytest.raises(UrlForbidden, match="localhost leads to"):
        await Guard(OutboundSettings()).resolve("https://localhost/")
