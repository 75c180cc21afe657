"""What the lanes make of a burst, simulated: beside an ideal queue that gives every account its turn."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Final, Protocol, TypeAlias

import pytest

from leveret.core.lanes import COUNT, WEIGHTS, Rota, lane_for

BURST: Final = 5000
OTHERS: Final = [f"B{number}" for number in range(1, 21)]
EACH: Final = 5

Arrivals: TypeAlias = Sequence[tuple[int, str]]
"""When which account submits a prediction; in their order."""


class Queue(Protocol):
    def put(self, account: str, outstanding: int) -> None: ...

    def take(self) -> str | None: ...


class Lanes:
    """As the stores and the brokers do it."""

    def __init__(self) -> None:
        self._lanes: list[deque[str]] = [deque() for _ in range(COUNT)]
        self._rota = Rota()

    def put(self, account: str, outstanding: int) -> None:
        self._lanes[lane_for(outstanding)].append(account)

    def take(self) -> str | None:
        ready = [lane for lane in range(COUNT) if self._lanes[lane]]
        return self._lanes[self._rota.pick(ready)].popleft() if ready else None


class Turns:
    """The ideal: accounts that wait take turns, whatever each of them has waiting."""

    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()
        self._turns: deque[str] = deque()

    def put(self, account: str, outstanding: int) -> None:
        if not self._waiting[account]:
            self._turns.append(account)
        self._waiting[account] += 1

    def take(self) -> str | None:
        if not self._turns:
            return None
        account = self._turns.popleft()
        self._waiting[account] -= 1
        if self._waiting[account]:
            self._turns.append(account)
        return account


def ends(queue: Queue, arrivals: Arrivals, *, slots: int) -> dict[str, list[int]]:
    """When the predictions of each account have ended, if each takes one unit of time in one of the slots."""
    outstanding: Counter[str] = Counter()
    ended: dict[str, list[int]] = {account: [] for _, account in arrivals}
    coming = deque(arrivals)
    now = 0
    while coming or outstanding.total():
        while coming and coming[0][0] <= now:
            _, account = coming.popleft()
            queue.put(account, outstanding[account])
            outstanding[account] += 1
        running = [taken for _ in range(slots) if (taken := queue.take()) is not None]
        now += 1
        for account in running:
            outstanding[account] -= 1
            ended[account].append(now)
    return ended


def burst(*, then: int) -> Arrivals:
    """A submits its burst, and the others what they have at the time `then`."""
    return [(0, "A")] * BURST + [(then, account) for account in OTHERS for _ in range(EACH)]


@pytest.mark.parametrize("then", [0, 1, 20, 100])
@pytest.mark.parametrize("slots", [1, 2, 3, 8, 16])
def test_a_burst_delays_nobody_else_to_twice_what_is_fair(slots: int, then: int) -> None:
    found, ideal = (ends(queue, burst(then=then), slots=slots) for queue in (Lanes(), Turns()))

    delays = {account: (found[account][-1] - then) / (ideal[account][-1] - then) for account in OTHERS}

    assert max(delays.values()) <= 2, delays


@pytest.mark.parametrize("slots", [1, 2, 3, 8, 16])
def test_who_submits_a_burst_is_served_on_and_all_of_it_ends(slots: int) -> None:
    found = ends(Lanes(), burst(then=0), slots=slots)

    last = max(found[account][-1] for account in OTHERS)
    served = sum(end <= last for end in found["A"])
    assert served >= last * slots * WEIGHTS[-1] // sum(WEIGHTS)
    assert {"A": BURST, **dict.fromkeys(OTHERS, EACH)} == {account: len(times) for account, times in found.items()}


def test_a_burst_is_not_served_before_a_later_account_that_has_little() -> None:
    found = ends(Lanes(), [(0, "A")] * BURST + [(1000, "B")], slots=1)

    assert found["B"][0] <= 1000 + 2


def test_accounts_with_as_many_as_the_good_lanes_take_are_treated_fairly_too() -> None:
    arrivals = [(0, "A")] * BURST + [(0, account) for account in OTHERS for _ in range(32)]

    found, ideal = (ends(queue, arrivals, slots=2) for queue in (Lanes(), Turns()))

    assert max(found[account][-1] / ideal[account][-1] for account in OTHERS) <= 2
