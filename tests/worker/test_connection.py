"""The worker's end of the socket pair, with the other end in the test's hand."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from msgspec.structs import replace

from leveret.core.outcome import Crashed, HandedBack, Outcome, Returned, Stopped
from leveret.core.ports import Running
from leveret.core.prediction import Means
from leveret.worker import frames
from leveret.worker.connection import AHEAD, Connection, FromRun
from leveret.worker.frames import (
    Cancel,
    Check,
    Checked,
    Chunks,
    Ended,
    Frame,
    Item,
    NotReady,
    Progressed,
    Run,
    Splitter,
    Stop,
    Wrote,
)
from tests.worker.arrange import PATIENCE
from tests.worker.test_frames import READY as ONE_BY_ONE

ITEM = Item("a", 1, b"{}")
READY = replace(ONE_BY_ONE, concurrency=2)


class Ends:
    """Both ends: ours, and the model process's, which the test speaks for."""

    def __init__(self, connection: Connection, theirs: socket.socket, lost: asyncio.Event) -> None:
        self.connection = connection
        self.theirs = theirs
        self.lost = lost
        self._splitter = Splitter()

    async def say(self, *said: Frame) -> None:
        await self.send(b"".join(map(frames.encode, said)))

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.theirs, data)

    async def send_until_stuck(self, data: bytes) -> int:
        """Send until our end, asked a hundred times, takes no more; how much it has taken."""
        sent, refused = 0, 0
        while refused < 100 and sent < len(data):
            try:
                sent += self.theirs.send(data[sent : sent + 65536])
                refused = 0
            except BlockingIOError:
                refused += 1
                await asyncio.sleep(0)
        return sent

    async def hear(self) -> list[Frame]:
        """The next frames that our end has sent."""
        heard: list[Frame] = []
        async with asyncio.timeout(PATIENCE):
            while not heard:
                heard = self._splitter.feed(await asyncio.get_running_loop().sock_recv(self.theirs, 1 << 16))
        return heard


@asynccontextmanager
async def opened() -> AsyncIterator[Ends]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    lost = asyncio.Event()
    connection = Connection(on_loaded=lambda ready: None, on_lost=lost.set)
    with theirs:
        await asyncio.get_running_loop().create_unix_connection(lambda: connection, sock=ours)
        yield Ends(connection, theirs, lost)
        connection.close()
        await lost.wait()


async def test_each_call_is_sent_as_one_frame() -> None:
    async with opened() as ends:
        given = [[ITEM, Item("b", 1, b"{}")], [Item("c", 2, b"{}")]]
        async with aclosing(ends.connection.run(given)) as run, asyncio.TaskGroup() as group:
            running = group.create_task(anext(run))

            assert [Run(given[0]), Run(given[1])] == await ends.hear()
            running.cancel()


async def test_what_a_run_says_is_heard_in_order_up_to_its_ending() -> None:
    said: list[FromRun] = [
        Wrote("a", 1, "begun"),
        Chunks("a", 1, [b"1", b"2"]),
        Progressed("a", 1, 0.5, ""),
        Ended("a", 1, Returned(b"3"), 0.1),
    ]

    async with opened() as ends:
        await ends.say(*said)
        heard = await hear_all(ends.connection, [ITEM])

    assert said == heard


async def test_what_belongs_to_no_run_under_way_is_ignored() -> None:
    async with opened() as ends:
        await ends.say(
            Wrote("a", 2, "another attempt"), Wrote("b", 1, "another run"), Ended("a", 1, Returned(b"1"), 0.1)
        )

        assert [Ended("a", 1, Returned(b"1"), 0.1)] == await hear_all(ends.connection, [ITEM])


async def test_what_is_not_a_frame_ends_the_connection_and_says_why() -> None:
    async with opened() as ends:
        await ends.send(b"\0\0\0\x05hello")
        async with asyncio.timeout(PATIENCE):
            await ends.lost.wait()

        assert "not a Leveret frame" in ends.connection.damage


async def test_a_model_that_nobody_listens_to_has_to_wait() -> None:
    async with opened() as ends, aclosing(ends.connection.run([[ITEM]])) as run:
        await ends.say(Wrote("a", 1, "begun"))
        await anext(run)
        stream = frames.encode(Chunks("a", 1, [b"x" * 65536])) * 512

        sent = await ends.send_until_stuck(stream)
        await anext(run)
        sent_later = await ends.send_until_stuck(stream[sent:])

    assert AHEAD < sent < 2 * AHEAD
    assert sent_later > AHEAD / 2


async def test_one_frame_may_be_longer_than_what_is_read_ahead() -> None:
    ending = Ended("a", 1, Returned(b"x" * (3 * AHEAD)), 0.1)

    async with opened() as ends, asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        hearing = group.create_task(hear_all(ends.connection, [ITEM]))
        await ends.hear()
        await ends.say(ending)

    assert [ending] == hearing.result()


async def test_a_crash_is_blamed_on_the_first_call_under_way_alone() -> None:
    async with opened() as ends:
        calls = [[ITEM, Item("b", 1, b"{}")], [Item("c", 1, b"{}")]]
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(hear_calls(ends.connection, calls))
            await ends.hear()
            ends.connection.crash("gone", means=Means.INTERRUPTED)

    assert {"a": Crashed("gone"), "b": Crashed("gone")} == outcomes(hearing.result(), Crashed)
    assert ["c"] == list(outcomes(hearing.result(), HandedBack))


async def test_a_crash_is_blamed_on_as_many_calls_as_are_made_at_once() -> None:
    assert (["a", "b"], ["c"]) == await crashed([Item("a", 1, b"{}"), Item("b", 1, b"{}"), Item("c", 1, b"{}")])


async def test_a_crash_is_blamed_on_nobody_beside_or_behind_a_run_that_is_made_alone() -> None:
    alone = Item("b", 3, b"{}", alone=True)

    assert (["a"], ["b"]) == await crashed([ITEM, alone])
    assert (["b"], ["a"]) == await crashed([alone, ITEM])


async def test_a_run_that_is_made_beside_others_is_current_like_them() -> None:
    items = [Item(name, 1, b"{}") for name in "abc"]
    async with opened() as ends, asyncio.TaskGroup() as group:
        await ends.say(READY)
        await ends.connection.setup
        hearing = group.create_task(hear_calls(ends.connection, [[item] for item in items]))
        await ends.hear()
        before = [ends.connection.current(Running(item.id, 1)) for item in items]
        await ends.say(Ended("b", 1, Returned(b"1"), 0.1))
        while not ends.connection.current(Running("c", 1)):
            await asyncio.sleep(0)
        hearing.cancel()

    assert [True, True, False] == before


async def test_what_begins_after_the_end_is_handed_back() -> None:
    async with opened() as ends:
        ends.connection.crash("gone", means=Means.INTERRUPTED)

        assert ["a"] == list(outcomes(await hear_all(ends.connection, [ITEM]), HandedBack))


async def test_an_end_before_the_first_frame_is_a_setup_that_failed() -> None:
    async with opened() as ends:
        ends.connection.crash("gone", means=Means.INTERRUPTED)

        assert NotReady(error="gone", traceback="", usage=False) == await ends.connection.setup


async def test_a_run_is_canceled_once_and_only_while_it_is_under_way() -> None:
    run = Running("a", 1)
    async with opened() as ends:
        before = ends.connection.cancel(run)
        async with asyncio.TaskGroup() as group:
            group.create_task(hear_all(ends.connection, [ITEM]))
            await ends.hear()
            under_way = [ends.connection.cancel(one) for one in (run, run, Running("a", 2))]
            assert [Cancel("a", 1)] == await ends.hear()
            await ends.say(Ended("a", 1, Stopped(Means.INTERRUPTED), 0.0))
        after = ends.connection.cancel(run)

    assert (False, [True, False, False], False) == (before, under_way, after)


async def test_when_a_process_was_ended_for_a_canceled_run_nobody_is_to_blame() -> None:
    async with opened() as ends:
        calls = [[ITEM, Item("b", 1, b"{}")], [Item("c", 1, b"{}")], [Item("d", 1, b"{}")]]
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(hear_calls(ends.connection, calls))
            await ends.hear()
            ends.connection.cancel(Running("a", 1))
            ends.connection.cancel(Running("c", 1))
            ends.connection.crash("gone", means=Means.KILLED)

    assert {"a": Stopped(Means.KILLED), "c": Stopped(Means.NOT_BEGUN)} == outcomes(hearing.result(), Stopped)
    assert ["b", "d"] == list(outcomes(hearing.result(), HandedBack))


async def test_a_canceled_run_whose_process_crashes_by_itself_was_stopped_and_its_neighbours_crashed() -> None:
    async with opened() as ends, asyncio.TaskGroup() as group:
        hearing = group.create_task(hear_all(ends.connection, [ITEM, Item("b", 1, b"{}")]))
        await ends.hear()
        ends.connection.cancel(Running("a", 1))
        ends.connection.crash("gone", means=Means.INTERRUPTED)

    assert {"a": Stopped(Means.INTERRUPTED)} == outcomes(hearing.result(), Stopped)
    assert {"b": Crashed("gone")} == outcomes(hearing.result(), Crashed)


async def test_what_was_sent_behind_a_check_has_not_begun_however_that_ends() -> None:
    for end in (lambda ends: ends.connection.crash("gone", means=Means.INTERRUPTED), lambda ends: None):
        async with opened() as ends, asyncio.TaskGroup() as group:
            checking = group.create_task(ends.connection.check())
            heard = await ends.hear()
            hearing = group.create_task(hear_all(ends.connection, [ITEM]))
            heard += await ends.hear()
            end(ends)
            await ends.say(Checked("sick"))
            checked = await checking

            assert [Check(), Run([ITEM])] == heard
            assert checked.problem in {"gone", "sick"}
            assert ["a"] == list(outcomes(await hearing, HandedBack))


async def test_stop_is_sent_behind_what_was_sent_before() -> None:
    async with opened() as ends, asyncio.TaskGroup() as group:
        hearing = group.create_task(hear_all(ends.connection, [ITEM]))
        heard = await ends.hear()
        ends.connection.stop()
        heard += await ends.hear()
        hearing.cancel()

        assert [Run([ITEM]), Stop()] == heard


async def crashed(items: list[Item]) -> tuple[list[str], list[str]]:
    """Which of these are struck by a crash, and which are handed back, where two calls are made at once."""
    async with opened() as ends:
        await ends.say(READY)
        await ends.connection.setup
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(hear_calls(ends.connection, [[item] for item in items]))
            await ends.hear()
            ends.connection.crash("gone", means=Means.INTERRUPTED)
    return list(outcomes(hearing.result(), Crashed)), list(outcomes(hearing.result(), HandedBack))


async def hear_all(connection: Connection, items: list[Item]) -> list[FromRun]:
    """Everything that these runs say, in one call."""
    return await hear_calls(connection, [items])


async def hear_calls(connection: Connection, calls: list[list[Item]]) -> list[FromRun]:
    async with asyncio.timeout(PATIENCE), aclosing(connection.run(calls)) as run:
        return [frame async for said in run for frame in said]


def outcomes(said: list[FromRun], kind: type[Outcome]) -> dict[str, Outcome]:
    """The runs that have ended in this way."""
    return {frame.id: frame.outcome for frame in said if isinstance(frame, Ended) and isinstance(frame.outcome, kind)}
