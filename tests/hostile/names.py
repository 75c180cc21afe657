"""A name server whose answers change with every question, and a resolver that asks it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from leveret.outbound import Lookup

_HEAD: Final = struct.Struct("!6H")
_ANSWER: Final = struct.Struct("!HHHIH4s")
_NAME: Final = 0xC00C
"""Where the name of the question stands in the answer."""


class NameServer(asyncio.DatagramProtocol):
    """Answers with each of these lists of IPv4 addresses in turn, each for no time at all (RFC 1035)."""

    def __init__(self, answers: Sequence[Sequence[str]]) -> None:
        self.asked = 0
        self._answers = answers
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # what it gets
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        addresses = self._answers[self.asked % len(self._answers)]
        self.asked += 1
        identifier = _HEAD.unpack_from(data)[0]
        records = [_ANSWER.pack(_NAME, 1, 1, 0, 4, socket.inet_aton(address)) for address in addresses]
        head = _HEAD.pack(identifier, 0x8180, 1, len(records), 0, 0)
        self._transport.sendto(head + data[_HEAD.size :] + b"".join(records), addr)


class _Asking(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.answer.set_result(data)


def resolver(server: tuple[str, int]) -> Lookup:
    """One that keeps nothing, as a resolver does with what is good for no time at all."""

    async def look_up(host: str, _port: int) -> Sequence[str]:
        labels = [bytes([len(label)]) + label.encode() for label in host.split(".")]
        question = b"".join(labels) + b"\0" + struct.pack("!HH", 1, 1)
        transport, asking = await asyncio.get_running_loop().create_datagram_endpoint(_Asking, remote_addr=server)
        try:
            transport.sendto(_HEAD.pack(7, 0x0100, 1, 0, 0, 0) + question)
            async with asyncio.timeout(10):
                answer = await asking.answer
        finally:
            transport.close()
        count = _HEAD.unpack_from(answer)[3]
        records = answer[_HEAD.size + len(question) :]
        return [socket.inet_ntoa(_ANSWER.unpack_from(records, at * _ANSWER.size)[5]) for at in range(count)]

    return look_up


@asynccontextmanager
async def serving_names(*answers: Sequence[str]) -> AsyncIterator[tuple[NameServer, Lookup]]:
    """The server, and a resolver that asks it."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: NameServer(answers), local_addr=("127.0.0.1", 0))
    host, port = transport.get_extra_info("sockname")[:2]
    try:
        yield server, resolver((host, port))
    finally:
        transport.close()
