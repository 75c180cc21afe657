"""`leveret keys`, on an embedded store."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from leveret import cli
from leveret.backends.sqlite.database import open_database

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def keys(*line: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(cli.app, ["keys", *line])


def test_a_key_takes_the_place_of_another_for_as_long_as_that_one_was_to_last() -> None:
    old = json.loads(keys("create", "--scope", "read", "--expires", "1h", "--json").stdout)

    new = json.loads(keys("rotate", old["id"], "--json").stdout)

    assert 3600 == pytest.approx(new["expires_at"] - new["created_at"], abs=1e-6)
    assert new["expires_at"] > old["expires_at"]


@pytest.mark.parametrize("expires", ["0", "", "soon", "1w", "99999d"])
def test_a_time_that_is_none_is_refused_by_the_name_of_its_option(expires: str) -> None:
    result = keys("create", "--scope", "read", "--expires", expires)

    assert "`--expires` must be a time from 1 to 1000000000 seconds" in str(result.exception)


async def test_beside_a_server_that_has_the_folder_it_says_how_that_makes_keys(folder: Path) -> None:
    (folder / ".leveret").mkdir()
    async with open_database(folder / ".leveret" / "leveret.db"):
        result = await asyncio.to_thread(keys, "create", "--scope", "read")

    assert "/admin/v1/keys" in str(result.exception)
