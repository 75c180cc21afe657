"""Addresses: which of them are the public internet's. Everything else may be a neighbour of ours, or ourselves.

The lists follow the registries of special-purpose addresses of IANA (iana-ipv4-special-registry and
iana-ipv6-special-registry). `ipaddress.is_global` is not used: it differs between versions of Python, and it says
yes to addresses that a gateway turns into private ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_NOT_PUBLIC: Final = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private
    "100.64.0.0/10",  # shared by the customers of a provider; the metadata of Alibaba Cloud
    "127.0.0.0/8",  # loopback
    "168.63.129.16/32",  # the platform of Azure
    "169.254.0.0/16",  # link-local; the metadata of most clouds
    "172.16.0.0/12",  # private
    "192.0.0.0/24",  # protocol assignments; the metadata of Oracle Cloud
    "192.0.2.0/24",  # documentation
    "192.31.196.0/24",  # AS112
    "192.52.193.0/24",  # AMT
    "192.88.99.0/24",  # relays of 6to4
    "192.168.0.0/16",  # private
    "192.175.48.0/24",  # AS112
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and the broadcast
    "2001::/23",  # protocol assignments, Teredo among them, which embeds an IPv4 address
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4, which embeds an IPv4 address
    "2620:4f:8000::/48",  # AS112
    "3fff::/20",  # documentation
)
_PUBLIC_V6: Final = IPv6Network("2000::/3")
"""All that is assigned to the public internet. NAT64, loopback, ULA, link-local and multicast are outside of it."""


def networks(listed: str) -> Sequence[Network]:
    """The networks in this list, separated by commas. Raises ValueError."""
    return [ip_network(one.strip()) for one in listed.split(",") if one.strip()]


def public(address: Address) -> bool:
    """Whether it is one of the public internet."""
    if isinstance(address, IPv6Address) and address not in _PUBLIC_V6:
        return False
    return not within(address, _networks)


def within(address: Address, listed: Iterable[Network]) -> bool:
    """Whether one of the networks holds it."""
    return any(address in network for network in listed if network.version == address.version)


def parse(text: str) -> Address:
    """The address in this text, an IPv4 address in the clothes of IPv6 without them. Raises ValueError."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


_networks: Final = [ip_network(network) for network in _NOT_PUBLIC]
