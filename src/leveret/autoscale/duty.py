"""The duty: a model that this machine keeps workers for, and the target that they serve."""

from __future__ import annotations

from msgspec import Struct

from leveret.core.prediction import MODEL_NAME
from leveret.core.scale import TARGET_WAIT
from leveret.errors import InvalidSetting


class Duty(Struct, frozen=True):
    """A model and its target, said together: nothing here imports the model to learn its name."""

    model: str
    target: str


class Rule(Struct, frozen=True, kw_only=True):
    """How many workers each duty gets: what the gateway says, from `least` to `most`.

    Fewer only once fewer have been enough for `patience` seconds. The gateway is asked every `period` seconds.
    """

    least: int = 0
    most: int
    target_wait: float = TARGET_WAIT
    patience: float = 60.0
    period: float = 2.0

    def __post_init__(self) -> None:
        """Raises InvalidSetting for bounds between which nothing lies."""
        if self.least > self.most:
            raise InvalidSetting(
                name="--min", source="the command line", reason=f"{self.least} is more than --max, {self.most}"
            )


def duty(text: str) -> Duty:
    """What `owner/name=TARGET` means. Raises InvalidSetting."""
    model, equals, target = text.partition("=")
    if not equals or not target or not MODEL_NAME.fullmatch(model):
        raise InvalidSetting(
            name=text,
            source="the command line",
            reason="write the name of the model and what its workers serve, as acme/ocr=ocr.py:Ocr; without an owner "
            "in its @model its name begins with local/",
        )
    return Duty(model, target)
