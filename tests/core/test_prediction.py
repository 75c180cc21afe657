from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leveret.core.prediction import PREDICTION_ID, Status, new_id

times = st.floats(min_value=0, max_value=2**47 / 1000)
randomness = st.binary(min_size=10, max_size=10)


@given(times, randomness)
def test_an_id_has_26_small_letters_and_digits(at: float, random: bytes) -> None:
    made = new_id(at, random)

    assert 26 == len(made)
    assert made == made.lower()
    assert PREDICTION_ID.fullmatch(made)


@given(times, times, randomness, randomness)
def test_ids_sort_by_time(early: float, late: float, one: bytes, other: bytes) -> None:
    early, late = sorted([int(early * 1000), int(late * 1000)])
    if early < late:
        assert new_id(early / 1000 + 1e-4, one) < new_id(late / 1000 + 1e-4, other)


def test_an_id_is_a_ulid() -> None:
    assert "01arz3ndek" + "0" * 16 == new_id(1469922850.259, bytes(10))


def test_three_states_are_terminal() -> None:
    assert {Status.SUCCEEDED, Status.FAILED, Status.CANCELED} == {status for status in Status if status.terminal}
