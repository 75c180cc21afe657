"""The doctor finds what is wrong, says what to do, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest

from leveret.backends.examination import examine
from leveret.backends.findings import Finding, Level, masked, shown
from leveret.backends.rabbitmq.provisioning import provision
from leveret.backends.redis import tries
from leveret.backends.redis.connection import Connector
from leveret.backends.redis.examination import clocks, durability
from leveret.backends.redis.permissions import permissions
from leveret.backends.roles import Duties, Role
from leveret.config import Settings
from leveret.errors import InvalidSetting
from leveret.testing.redis_server import RedisServer
from tests.privilege.deployment import MODEL, NAMESPACE, PASSWORD, USERS, Deployment
from tests.system.program import Program

pytestmark = pytest.mark.slow

FINE = {"aof_enabled": "1", "maxmemory": "0", "maxmemory_policy": "noeviction", "role": "master"}


@pytest.fixture
async def settings(deployment: Deployment) -> Settings:
    """Those of nobody yet, on a broker with all queues."""
    found = Settings(broker_ca=deployment.papers.ca, store_ca=deployment.papers.ca)
    url = deployment.amqp("provision")
    await provision(url, namespace=NAMESPACE, models=[MODEL, "local/other"], files=found.broker_tls)
    return found


def of(deployment: Deployment, user: str) -> Settings:
    ca = deployment.papers.ca
    return Settings(broker_url=deployment.amqp(user), store_url=deployment.redis(user), broker_ca=ca, store_ca=ca)


def told(findings: list[Finding], level: Level) -> str:
    return "\n".join(f"{one.part}: {one.says} -> {one.fix}" for one in findings if one.level is level)


@pytest.mark.parametrize("user", list(USERS))
@pytest.mark.usefixtures("settings")
async def test_a_deployment_by_the_book_is_fine_and_stays_as_it_is(deployment: Deployment, user: str) -> None:
    with deployment.admin() as admin:
        before = deployment.queues(), admin.dbsize(), admin.execute_command("PUBSUB", "CHANNELS")

        findings = await examine(of(deployment, user), USERS[user])

        assert before == (deployment.queues(), admin.dbsize(), admin.execute_command("PUBSUB", "CHANNELS"))
    assert "" == told(findings, Level.PROBLEM) + told(findings, Level.WARNING)
    assert PASSWORD not in str(findings)


@pytest.mark.usefixtures("settings")
async def test_a_message_that_waits_is_not_touched(deployment: Deployment) -> None:
    queues = ("leveret.local.echo.1", "leveret.dead", "leveret.webhooks", "leveret.retry.3600")
    with pika.BlockingConnection(pika.URLParameters(deployment.rabbit.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for queue in queues:
            channel.basic_publish("", queue, b"a hare")

        everything = Settings(broker_url=deployment.rabbit.url, store_url=deployment.store.url)
        await examine(everything, Duties(Role.WORKER, (MODEL,)))
        await examine(of(deployment, "gateway"), USERS["gateway"])

        found = [channel.basic_get(queue, auto_ack=True) for queue in queues]
    assert [(False, b"a hare")] * len(queues) == [
        (method is not None and method.redelivered, body) for method, _, body in found
    ]


@pytest.mark.usefixtures("settings")
async def test_rights_that_lack_are_named(deployment: Deployment) -> None:
    findings = await examine(of(deployment, "worker"), Duties(Role.GATEWAY))

    problems = told(findings, Level.PROBLEM)
    assert (
        "broker: this user may not write to: leveret.control -> give it what `leveret permissions gateway`" in problems
    )
    assert "broker: this user may not read: leveret.dead, leveret.webhooks" in problems
    assert "store: this user may not use: hsetnx" in problems
    assert "leveret:*" in problems
    assert "subscribe" in problems


@pytest.mark.usefixtures("settings")
async def test_rights_that_nobody_needs_are_named(deployment: Deployment) -> None:
    everything = Settings(broker_url=deployment.rabbit.url, store_url=deployment.store.url)

    findings = await examine(everything, Duties(Role.WORKER, (MODEL,)))

    warnings = told(findings, Level.WARNING)
    assert "" == told(findings, Level.PROBLEM)
    assert "broker: this user may, without need, write to: leveret.control, leveret.dead" in warnings
    assert "broker: this user may, without need, make: leveret," in warnings
    assert "store: this user reaches, without need: API keys, keys outside of the namespace, CONFIG" in warnings


async def test_what_was_not_provisioned_is_named_with_the_command(deployment: Deployment) -> None:
    findings = await examine(of(deployment, "worker"), Duties(Role.WORKER, ("local/never",)))

    assert "leveret.local.never.0" in told(findings, Level.PROBLEM)
    assert "run `leveret provision --model local/never`" in told(findings, Level.PROBLEM)


async def test_a_queue_that_is_no_quorum_queue_is_a_problem(deployment: Deployment) -> None:
    url = deployment.rabbit.url
    await provision(url, namespace="odd", models=[])
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        channel.queue_delete("odd.webhooks")
        channel.queue_declare("odd.webhooks", durable=True)

    findings = await examine(Settings(broker_url=url, namespace="odd"), Duties(Role.PROVISION))

    assert "other than it should be: odd.webhooks" in told(findings, Level.PROBLEM)
    assert "inequivalent arg" in told(findings, Level.PROBLEM)


async def test_a_broker_that_blocks_publishers_is_a_problem(deployment: Deployment) -> None:
    settings = Settings(broker_url=deployment.rabbit.url, namespace="blocked")
    await provision(settings.broker_url, namespace="blocked", models=[])
    deployment.rabbit.ctl("set_vm_memory_high_watermark", "0.00001")
    try:
        findings = await examine(settings, Duties(Role.PROVISION))
    finally:
        deployment.rabbit.ctl("set_vm_memory_high_watermark", "0.4")

    assert "it takes no messages now: low on memory -> make room" in told(findings, Level.PROBLEM)


async def test_a_wrong_password_and_a_server_that_is_away_are_problems_and_show_no_password(
    deployment: Deployment,
) -> None:
    wrong = of(deployment, "gateway")
    wrong = Settings(
        broker_url=f"{wrong.broker_url.replace(PASSWORD, 'wr0ng')},amqps://a:wr0ng@localhost:1/",
        store_url=wrong.store_url.replace(PASSWORD, "wr0ng"),
        broker_ca=wrong.broker_ca,
        store_ca=wrong.store_ca,
    )

    findings = await examine(wrong, Duties(Role.GATEWAY))

    assert 3 == told(findings, Level.PROBLEM).count("cannot be used")
    assert "the user and the password in store_url" in told(findings, Level.PROBLEM)
    assert "wr0ng" not in str(findings)


@pytest.mark.parametrize("name", ["broker_url", "store_url"])
async def test_no_part_of_a_password_is_shown_when_a_url_cannot_be_read(name: str) -> None:
    settings = Settings(broker_url="amqp://user:half/other@localhost")
    if name == "store_url":
        settings = Settings(broker_url="amqp://localhost:1", store_url="redis://user:half/other@localhost")

    with pytest.raises(InvalidSetting, match="write / as %2F") as refused:
        await examine(settings, Duties(Role.GATEWAY))

    assert "half" not in str(refused.value)
    assert "other" not in str(refused.value)


@pytest.fixture(scope="module")
def forgetful() -> Iterator[RedisServer]:
    options = {"appendonly": "no", "maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}
    with RedisServer(options=options) as server:
        yield server


async def test_a_store_that_forgets_is_a_problem(deployment: Deployment, forgetful: RedisServer) -> None:
    settings = Settings(broker_url=deployment.rabbit.url, store_url=forgetful.url)

    problems = told(await examine(settings, Duties(Role.GATEWAY)), Level.PROBLEM)

    assert "it forgets predictions when it is restarted: there is no AOF -> set `appendonly yes`" in problems
    assert "maxmemory-policy is allkeys-lru -> set `maxmemory-policy noeviction`" in problems


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"aof_last_write_status": "err"}, "it cannot write its AOF"),
        ({"role": "slave"}, "it is a replica"),
        ({"cluster_enabled": "1"}, "Redis Cluster"),
        ({"maxmemory": "100", "used_memory": "95"}, "more than 90% of its maxmemory"),
        ({"maxmemory_policy": "volatile-ttl"}, "throws keys away"),
        ({}, "it keeps what it is told"),
    ],
)
def test_what_a_store_tells_of_itself_is_judged(fields: dict[str, str], says: str) -> None:
    (finding,) = durability(FINE | fields)

    assert says in finding.says


def test_clocks_that_differ_are_a_warning_and_far_apart_a_problem() -> None:
    assert [Level.FINE, Level.WARNING, Level.PROBLEM] == [clocks(apart).level for apart in (-1.0, 5.0, -90.0)]


def test_passwords_are_masked_wherever_they_stand() -> None:
    url = "amqp://user:p%40ss@host/"

    assert "amqp://user:***@host/" == shown(url)
    assert "*** and ***" == masked(Finding("broker", Level.FINE, "p%40ss and p@ss"), [url]).says


async def test_every_command_is_tried_in_a_form_that_redis_would_take(deployment: Deployment) -> None:
    wanted = permissions(Duties(Role.GATEWAY), namespace=NAMESPACE)
    assert wanted is not None

    async with Connector(deployment.store.url).connect() as connection:
        await tries.ask(connection, "MULTI")
        forms = tries.commands(wanted.commands, key="leveret:p:doctor")
        answers = {name: await tries.ask(connection, *command) for name, command in forms.items()}
        await tries.ask(connection, "DISCARD")

    assert {b"QUEUED"} == set(answers.values())
    assert {"multi", "discard", "subscribe", "unsubscribe"} == set(wanted.commands) - answers.keys()


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(("user", "code"), [("gateway", 0), ("worker", 2), ("everybody", 1)])
def test_the_command_ends_with_a_code_for_how_bad_it_is(
    deployment: Deployment, tmp_path: Path, user: str, code: int
) -> None:
    environment = deployment.environment(user)
    if user == "everybody":
        environment = {"LEVERET_BROKER_URL": deployment.rabbit.url, "LEVERET_STORE_URL": deployment.store.url}

    with Program("doctor", "--role", "gateway", "--json", folder=tmp_path, environment=environment) as doctor:
        assert code == doctor.process.wait(60), doctor.log
    found = json.loads(doctor.log)

    assert {"part", "level", "says", "fix"} == set(found[0])
    assert ["fine", "warning", "problem"][code] in {finding["level"] for finding in found}


async def test_an_embedded_deployment_is_examined_by_its_folder(tmp_path: Path) -> None:
    findings = await examine(Settings(data_dir=str(tmp_path / "new" / "folder")), Duties(Role.SERVE))

    assert "can be written to" in told(findings, Level.FINE) + told(findings, Level.WARNING) or "left" in str(findings)
