"""`leveret accounts`, on an embedded store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from leveret import cli


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def accounts(*line: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(cli.app, ["accounts", *line])


@pytest.mark.usefixtures("folder")
def test_what_accounts_may_is_said_shown_and_taken_back() -> None:
    for line in (
        ("limit", "acme", "--rate", "2.5", "--running", "4"),
        ("limit", "b", "--queued", "0"),
        ("unlimit", "b"),
    ):
        assert 0 == accounts(*line).exit_code

    shown = accounts("list")
    listed = json.loads(accounts("list", "--json").stdout)

    assert [{"account": "acme", "rate": 2.5, "burst": None, "queued": None, "running": 4}] == listed
    assert ["acme", "2.5", "as", "set", "as", "set", "4"] == shown.stdout.splitlines()[-1].split()


@pytest.mark.usefixtures("folder")
def test_what_cannot_be_an_account_is_refused() -> None:
    result = accounts("limit", "No Such", "--rate", "1")

    assert "an account is 1 to 63 lower case letters" in str(result.exception)
