"""What every Store must do, as tests: subclass StoreConformance in a module that has a fixture `store`."""

from __future__ import annotations

from leveret.testing.conformance.bounds import BoundConformance
from leveret.testing.conformance.cancels import CancelConformance
from leveret.testing.conformance.claims import ClaimConformance
from leveret.testing.conformance.deadlines import DeadlineConformance, OverdueConformance
from leveret.testing.conformance.expiry import DeleteConformance, ExpiryConformance
from leveret.testing.conformance.files import FilesConformance
from leveret.testing.conformance.histories import HistoryConformance
from leveret.testing.conformance.hooks import HooksConformance
from leveret.testing.conformance.keys import KeysConformance
from leveret.testing.conformance.leaders import LeadersConformance
from leveret.testing.conformance.letters import LettersConformance
from leveret.testing.conformance.limits import LimitsConformance
from leveret.testing.conformance.lines import LinesConformance
from leveret.testing.conformance.logs import LogConformance
from leveret.testing.conformance.once import NamedConformance, RetriedConformance
from leveret.testing.conformance.predictions import PredictionsConformance, SearchConformance
from leveret.testing.conformance.registry import RegistryConformance
from leveret.testing.conformance.replies import RepliesConformance
from leveret.testing.conformance.runs import RunsConformance
from leveret.testing.conformance.upkeep import LapsedConformance, UnbegunConformance, UpkeepConformance


class StoreConformance(
    PredictionsConformance,
    SearchConformance,
    NamedConformance,
    RetriedConformance,
    LogConformance,
    ClaimConformance,
    BoundConformance,
    CancelConformance,
    RunsConformance,
    HistoryConformance,
    RegistryConformance,
    UpkeepConformance,
    LapsedConformance,
    DeadlineConformance,
    OverdueConformance,
    ExpiryConformance,
    DeleteConformance,
    LettersConformance,
    FilesConformance,
    RepliesConformance,
    UnbegunConformance,
    HooksConformance,
    LinesConformance,
    LeadersConformance,
    KeysConformance,
    LimitsConformance,
):
    """All that every store must do; one apart from the queues inherits `WaitingConformance` as well.

    Every test takes the fixture `store`, an open Store that has nothing in it.

    class TestMyStore(StoreConformance):
        pass
    """
