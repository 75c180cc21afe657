"""`python -m tests.chaos --seconds 300 --seed 1`: one long trial, and its report."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.chaos.faults import KINDS
from tests.chaos.trial import trial


def main() -> int:
    parser = argparse.ArgumentParser(description="Try a real deployment with faults, and check the history.")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="for the history and the logs; otherwise a new one")
    parser.add_argument("--kinds", nargs="*", choices=sorted(KINDS), default=list(KINDS), help="only these faults")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="leveret-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    verdict = asyncio.run(trial(folder, seed=given.seed, seconds=given.seconds, kinds=given.kinds))
    print(verdict.report())  # noqa: T201 - that is what it is for
    return 1 if verdict.violations else 0


if __name__ == "__main__":
    sys.exit(main())
