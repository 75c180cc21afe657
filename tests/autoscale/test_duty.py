from __future__ import annotations

import pytest

from leveret.autoscale.duty import Duty, Rule, duty
from leveret.errors import InvalidSetting


def test_a_charge_is_a_model_and_its_target() -> None:
    assert Duty("acme/ocr", "ocr.py:Ocr") == duty("acme/ocr=ocr.py:Ocr")


@pytest.mark.parametrize("text", ["ocr.py", "ocr.py:Ocr", "acme/ocr=", "=ocr.py", "Acme/Ocr=ocr.py", "ocr=ocr.py"])
def test_what_names_no_model_is_refused_with_how_to_write_it(text: str) -> None:
    with pytest.raises(InvalidSetting, match=r"acme/ocr=ocr\.py:Ocr"):
        duty(text)


def test_bounds_between_which_nothing_lies_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="more than --max"):
        Rule(least=3, most=2)
