"""The rules are what the code needs: no command of Redis is missing in them, and none is left over."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from leveret.backends.rabbitmq.permissions import permissions as rights
from leveret.backends.redis import permissions as redis
from leveret.backends.redis.permissions import permissions
from leveret.backends.roles import Duties, Role

FOLDER = Path(redis.__file__).parent
PAGE = Path(__file__).parent.parent.parent / "docs" / "least-privilege.md"
WORD = re.compile(r"[A-Z]{3,}")
OPTIONS = {"CONFIG", "LIMIT", "LOAD", "WITHSCORES", "ACL", "SETUSER", "PASSWORD"}
"""Words that are no commands, are only printed, or are tried out in the hope that they are refused."""

SPOKEN = {"SELECT", "INFO", "MULTI", "DISCARD"}
"""What redis-py says by itself at the beginning, and what the doctor says."""


def used() -> set[str]:
    """The commands in the scripts, and every word in a module that can be one."""
    sources = [path.read_text() for path in [*FOLDER.glob("scripts/*.lua"), FOLDER / "blobs.py"]]
    found = {name for source in sources for name in re.findall(r"redis\.call\(\s*'(\w+)'", source)}
    for path in FOLDER.glob("*.py"):
        constants = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
        found |= {word for word in constants if isinstance(word, str) and WORD.fullmatch(word)}
    return found - OPTIONS


def table() -> dict[str, list[str]]:
    """The rows of the documentation's table of rights, by role."""
    rows = [line.strip("|").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    cells = [[cell.strip().strip("`").replace("\\|", "|") for cell in row] for row in rows]
    return {row[0]: row[1:] for row in cells if len(row) == 4}


def test_the_documentation_shows_the_rights_of_every_role() -> None:
    found = {role: rights(Duties(role, ("acme/ocr",)), namespace="leveret") for role in Role}

    assert {role.value: [one.configure, one.write, one.read] for role, one in found.items()} == table()


def test_the_commands_of_a_gateway_are_those_that_the_code_uses() -> None:
    found = permissions(Duties(Role.GATEWAY), namespace="leveret")

    assert found is not None
    allowed = {command.upper() for command in found.commands}
    assert {name.replace("SCRIPT", "SCRIPT|LOAD") for name in used()} | SPOKEN == allowed


def test_a_worker_may_less_than_a_gateway_and_one_without_replies_may_least() -> None:
    gateway, worker, silent = (
        permissions(duties, namespace="leveret")
        for duties in (Duties(Role.GATEWAY), Duties(Role.WORKER), Duties(Role.WORKER, replies=False))
    )

    assert gateway is not None
    assert worker is not None
    assert silent is not None
    assert set(worker.commands) < set(gateway.commands)
    assert {"leveret:secret:*"} == set(worker.keys) - set(silent.keys)
    assert not {"leveret:*", "leveret:credentials", "leveret:hook-secrets"} & set(worker.keys)
    assert "amq\\.default" in rights(Duties(Role.WORKER), namespace="leveret").write
    assert "amq\\.default" not in rights(Duties(Role.WORKER, replies=False), namespace="leveret").write


@pytest.mark.parametrize("role", [Role.PRODUCER, Role.PROVISION])
def test_who_has_nothing_to_do_with_the_store_gets_no_user_there(role: Role) -> None:
    assert permissions(Duties(role), namespace="leveret") is None


@pytest.mark.parametrize(
    ("right", "name", "allowed"),
    [
        ("read", "leveret.acme.ocr..v2.0", True),
        ("read", "leveret.acme.ocr.v2.0", False),
        ("read", "leveret.acme.other.0", False),
        ("read", "leveret.dead", False),
        ("read", "leveret.retry.1", False),
        ("write", "leveret.retry.900", True),
        ("write", "leveret.dead", False),
        ("write", "leveretx", False),
        ("configure", "leveret.acme.ocr..v2.0", False),
    ],
)
def test_a_worker_has_its_own_lanes_alone(right: str, name: str, *, allowed: bool) -> None:
    found = rights(Duties(Role.WORKER, ("acme/ocr.v2",)), namespace="leveret")

    assert allowed is found.allows(right, name)


def test_a_worker_of_all_models_does_not_get_what_waits_for_a_retry() -> None:
    found = rights(Duties(Role.WORKER), namespace="leveret")

    assert found.allows("read", "leveret.retry.ladder.0")
    assert not any(found.allows("read", f"leveret.{name}") for name in ("retry.1", "dead", "webhooks"))
