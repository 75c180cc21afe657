from __future__ import annotations

from pathlib import Path

import pytest

from leveret import config
from leveret.config import Settings
from leveret.errors import InvalidSetting

NOWHERE = Path("there-is-no-such-file.toml")
EMPTY = '""'
SPECIAL: dict[str, config.Value] = {
    "log_level": "error",
    "log_format": "json",
    "outbound.allow": "10.0.0.0/8, fd00::/8",
}


def test_without_anything_given_the_defaults_hold() -> None:
    assert Settings() == config.load(environment={}, flags={}, file=NOWHERE)


def test_where_a_client_finds_its_gateway_is_no_option() -> None:
    assert Settings() == config.load(environment={"LEVERET_URL": "http://gateway"}, flags={}, file=NOWHERE)


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "leveret.toml"
    file.write_text('broker_url = "amqp://file"\n[gateway]\nport = 1\nhost = "file"\n[worker]\nlease = 70\n')
    environment = {"LEVERET_GATEWAY_PORT": "2", "LEVERET_GATEWAY_HOST": "environment", "PATH": "/bin"}

    settings = config.load(environment=environment, flags={"gateway.port": 3}, file=file)

    assert ("amqp://file", 3, "environment", 70.0) == (
        settings.broker_url,
        settings.gateway.port,
        settings.gateway.host,
        settings.worker.lease,
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[gateway]\nprot = 1", "no such option"),
        ("[nowhere]\nport = 1", "no such option"),
        ("gateway = 1", "no such option"),
        ('[gateway]\nport = "many"', "int"),
        ("[gateway]\nport = 99999", "65535"),
        ("[worker]\nlease = 0", "> 0"),
        ("[worker]\nlease = true", "float"),
        ("[worker]\nlease = inf", "finite"),
        ("[worker]\nlease = 10", "worker.beat .5 s. must be less than half of worker.lease .10 s."),
        ("[gateway.port]\nx = 1", "int"),
        ('namespace = "Not Allowed"', "regex"),
        ('outbound.allow = "10.0.0.1/8"', "host bits"),
        ("not toml", "TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "leveret.toml"
    file.write_text(content)

    with pytest.raises(InvalidSetting, match=reason):
        config.load(environment={}, flags={}, file=file)


def test_a_wrong_value_is_refused_by_the_option_and_where_it_comes_from() -> None:
    with pytest.raises(InvalidSetting) as refused:
        config.load(environment={"LEVERET_GATEWAY_PORT": "99999"}, flags={}, file=NOWHERE)

    assert ("gateway.port", "the environment") == (refused.value.data["name"], refused.value.data["source"])


def test_a_beat_that_leaves_no_room_in_the_lease_is_refused_by_where_it_comes_from() -> None:
    with pytest.raises(InvalidSetting) as refused:
        config.load(environment={}, flags={"worker.beat": 15}, file=NOWHERE)

    assert ("worker.beat", "the command line") == (refused.value.data["name"], refused.value.data["source"])


def test_an_unknown_variable_is_refused_by_its_name() -> None:
    with pytest.raises(InvalidSetting, match="LEVERET_GATEWAY_PROT"):
        config.load(environment={"LEVERET_GATEWAY_PROT": "1"}, flags={}, file=NOWHERE)


def test_every_option_has_a_help_text_and_takes_effect() -> None:
    for row in config.options():
        assert row.help, row.name
        value = SPECIAL.get(row.name, {str: "changed", bool: True}.get(row.kind, 12))

        settings = config.load(environment={row.variable: str(value)}, flags={}, file=NOWHERE)

        section, _, name = row.name.rpartition(".")
        assert value == getattr(getattr(settings, section) if section else settings, name)


def shown(value: config.Value) -> config.Value:
    return EMPTY if value == "" else value


def test_the_documentation_has_a_row_for_every_option() -> None:
    lines = (Path(__file__).parent.parent / "docs" / "settings.md").read_text().splitlines()
    expected = [
        f"| `{row.name}` | `{row.variable}` | `{row.flag}` | `{shown(row.default)}` | {row.help} |"
        for row in config.options()
    ]

    assert expected == [line for line in lines if line.startswith("| `")]
