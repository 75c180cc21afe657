"""Batched models that answer each input with the calls so far, and that fail on some."""

from __future__ import annotations

from dataclasses import dataclass

from leveret import model

calls: list[list[int]] = []
room = [4]
"""How many inputs fit into memory; the input 1000 + n sets it to n."""


class OutOfMemoryError(RuntimeError):
    """Named as PyTorch names its own."""


@dataclass(eq=False)
class Touchy:
    """Cannot be compared."""

    number: int

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("beyond compare")

    __hash__ = None  # type: ignore[assignment]  # as Python has it


def called(numbers: list[int]) -> list[list[list[int]]]:
    calls.append(numbers)
    return [list(calls) for _ in numbers]


@model(batch=16)
def picky(numbers: list[int]) -> list[list[list[int]]]:
    """Raises if there is a negative number."""
    print(*numbers)  # noqa: T201 - this is what the logs shall show
    answers = called(numbers)
    if min(numbers) < 0:
        raise ValueError(f"{min(numbers)} is negative")
    return answers


@model(batch=8)
def hungry(numbers: list[int]) -> list[list[list[int]]]:
    """Takes only so many at once."""
    answers = called(numbers)
    if numbers[0] >= 1000:
        room[0] = numbers[0] - 1000
        calls.clear()
    elif len(numbers) > room[0] or -1 in numbers:
        match numbers[0] % 3:
            case 0:
                raise MemoryError
            case 1:
                raise OutOfMemoryError("no room")
            case _:
                raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
    return answers


@model(batch=16, batch_key="size")
def sorted_by_size(numbers: list[int], size: list[list[int]]) -> list[list[list[int]]]:
    assert all(one == size[0] for one in size)
    return called(numbers)


@model(batch=16, batch_key=("size", "steps"))
def sorted_by_two(numbers: list[int], size: list[int], steps: list[int]) -> list[list[list[int]]]:
    return called(numbers)


@model(batch=16, batch_key="touchy")
def sorted_by_touchy(numbers: list[int], touchy: list[Touchy]) -> list[list[list[int]]]:
    return called(numbers)
