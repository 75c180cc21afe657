"""The command line as people meet it: a process of its own, its words and its exit code."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Mapping
from contextlib import closing
from importlib import metadata
from pathlib import Path

import httpx2
import pytest

from leveret import config
from leveret.testing.redis_server import RedisServer
from tests.system import rabbit
from tests.system.program import QUICK, Program, free_port

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(120)]

EXAMPLES = Path(__file__).parent.parent / "examples"
ECHO = """
from leveret import model

@model
def echo(n: int) -> int:
    return n
"""
GATED = """
import time
from pathlib import Path
from leveret import model

@model
def gated(gate: str) -> str:
    Path(gate + ".began").touch()
    while not Path(gate).exists():
        time.sleep(0.005)
    return "done"
"""
NOWHERE = "amqp://127.0.0.1:1"


def outcome(
    *arguments: str, folder: Path, environment: Mapping[str, str] = QUICK, patience: float = 30.0
) -> tuple[int, str]:
    """The exit code and what was said of a command that ends by itself."""
    with Program(*arguments, folder=folder, environment=environment) as program:
        return program.process.wait(patience), program.log


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return name


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("def broken(:", "syntax"),
        ("raise RuntimeError('no [red]weights[/blue]')", "no [red]weights[/blue]"),
    ],
)
def test_a_target_that_does_not_load_ends_the_server_with_its_error_alone(
    tmp_path: Path, text: str, reason: str
) -> None:
    target = written(tmp_path, "broken.py", text)
    spool = {"LEVERET_WORKER_SPOOL_DIR": str(tmp_path)}  # what killed workers have left elsewhere is no error of it
    line = ("serve", target, "--port", str(free_port()))

    code, said = outcome(*line, folder=tmp_path, environment=QUICK | spool)

    assert 2 == code, said
    assert reason in said
    assert said.startswith("error (model_load_error): ")
    assert "Traceback" not in said


def test_a_target_that_is_missing_takes_no_other_target_into_service(tmp_path: Path) -> None:
    target = written(tmp_path, "echo.py", ECHO)

    code, said = outcome("serve", target, "missing.py", "--port", str(free_port()), folder=tmp_path)

    assert 2 == code, said
    assert said.splitlines()[-1].startswith("error (model_load_error): ")
    assert "ready at" not in said
    assert "CancelledError" not in said


def test_two_targets_with_one_name_are_refused_by_their_names(tmp_path: Path) -> None:
    first, second = written(tmp_path, "one.py", ECHO), written(tmp_path, "two.py", ECHO)

    code, said = outcome("serve", first, second, "--port", str(free_port()), folder=tmp_path)

    last = said.splitlines()[-1]
    assert 2 == code, said
    assert "error (duplicate_model)" in last
    assert first in last
    assert second in last
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("--host", "not a host"), "gateway.host"),
        (("--host", "203.0.113.1"), "gateway.host"),
        (("--port", "99999"), "gateway.port"),
        (("--data-dir", "/proc/nope"), "data_dir"),
        (("--data-dir", "echo.py"), "data_dir"),
        (("--broker-url", NOWHERE), "store_url"),
        (("--store-url", "redis://127.0.0.1:1"), "broker_url"),
        (("--broker-url", "amqp://h:port", "--store-url", "redis://127.0.0.1:1"), "broker_url"),
        (("--broker-url", f"{NOWHERE},http://other", "--store-url", "redis://127.0.0.1:1"), "broker_url"),
        (("--broker-url", NOWHERE, "--store-url", "redis://127.0.0.1:1/notanumber"), "store_url"),
        (("--worker-lease", "3", "--worker-beat", "2"), "worker.beat"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(tmp_path: Path, arguments: tuple[str, ...], name: str) -> None:
    target = written(tmp_path, "echo.py", ECHO)
    port = () if "--port" in arguments else ("--port", "0")

    code, said = outcome("serve", target, *port, *arguments, folder=tmp_path)

    assert 2 == code, said
    assert said.startswith(f"error (invalid_setting): the setting {name} from ")
    assert "Traceback" not in said


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]

        code, said = outcome("serve", written(tmp_path, "echo.py", ECHO), "--port", str(port), folder=tmp_path)

    assert 2 == code, said
    assert "gateway.port" in said
    assert "--port" in said


def test_it_tells_its_version(tmp_path: Path) -> None:
    code, said = outcome("--version", folder=tmp_path)

    assert (0, f"leveret {metadata.version('leveret')}") == (code, said.strip())


def test_an_unknown_flag_is_refused(tmp_path: Path) -> None:
    code, said = outcome("serve", "echo.py", "--prot", "1", folder=tmp_path)

    assert 2 == code
    assert "--prot" in said


def test_an_unknown_variable_is_refused(tmp_path: Path) -> None:
    code, said = outcome("serve", "echo.py", folder=tmp_path, environment={"LEVERET_GATEWAY_PROT": "1"})

    assert 2 == code
    assert "LEVERET_GATEWAY_PROT" in said


@pytest.mark.parametrize("arguments", [("worker", "echo.py"), ("gateway",)])
def test_a_part_alone_needs_urls(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, said = outcome(*arguments, folder=tmp_path)

    assert 2 == code
    assert "LEVERET_BROKER_URL" in said


def test_every_option_has_a_flag_that_help_names(tmp_path: Path) -> None:
    code, said = outcome("serve", "--help", folder=tmp_path, environment={"COLUMNS": "300"})

    assert 0 == code
    for option in config.options():
        assert f"{option.flag} " in said, option.name
        assert option.variable in said, option.name


def test_a_second_server_on_one_data_folder_is_refused(tmp_path: Path) -> None:
    target = written(tmp_path, "echo.py", ECHO)
    with Program("serve", target, "--port", "0", folder=tmp_path) as first:
        first.wait_ready()

        code, said = outcome("serve", target, "--port", "0", folder=tmp_path)

    assert 2 == code, said
    assert "data_folder_in_use" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_what_runs_finish_and_ends_with_0(tmp_path: Path, number: signal.Signals) -> None:
    target, gate = written(tmp_path, "gated.py", GATED), tmp_path / "gate"
    url = f"http://127.0.0.1:{(port := free_port())}"
    with Program("serve", target, "--port", str(port), folder=tmp_path) as server:
        server.wait_ready()
        created = httpx2.post(f"{url}/v1/models/local/gated/predictions", json={"input": {"gate": str(gate)}}).json()
        wait_for(Path(f"{gate}.began"))
        server.process.send_signal(number)
        gate.touch()

        assert 0 == server.process.wait(30), server.log
        server.start()
        server.wait_ready(2)
        found = httpx2.get(f"{url}/v1/predictions/{created['id']}").json()
        events = httpx2.get(f"{url}/v1/predictions/{created['id']}/events").text

    assert ("succeeded", "done") == (found["status"], found["output"])
    assert 1 == events.count('"type":"started"')
    assert "Traceback" not in server.log


def test_a_signal_while_a_target_loads_ends_it_at_once(tmp_path: Path) -> None:
    slow = "import time\nfrom pathlib import Path\nPath('began').touch()\ntime.sleep(300)\n" + ECHO
    with Program("serve", written(tmp_path, "slow.py", slow), "--port", "0", folder=tmp_path) as server:
        wait_for(tmp_path / "began")

        assert 0 == server.terminate(4), server.log

    assert "Traceback" not in server.log


def test_a_gateway_without_redis_lives_and_says_what_it_lacks_and_stops_at_once(tmp_path: Path) -> None:
    port = free_port()
    urls = {"LEVERET_BROKER_URL": NOWHERE, "LEVERET_STORE_URL": "redis://127.0.0.1:1"}
    with Program("gateway", "--port", str(port), folder=tmp_path, environment=urls) as gateway:
        gateway.wait_ready()
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            live, ready = client.get("/health/live"), client.get("/health/ready")
            asked = client.get("/v1/predictions/00000000000000000000000000")

        assert (200, 503, 503) == (live.status_code, ready.status_code, asked.status_code)
        assert {"broker", "store"} <= ready.json().keys()
        assert 0 == gateway.terminate(8), gateway.log

    assert "Traceback" not in gateway.log


def test_a_signal_before_the_broker_is_there_ends_a_gateway_at_once(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        urls = {
            "LEVERET_BROKER_URL": f"amqp://127.0.0.1:{silent.getsockname()[1]}",
            "LEVERET_STORE_URL": "redis://127.0.0.1:1",
        }
        with Program("gateway", "--port", "0", folder=tmp_path, environment=urls) as gateway:
            silent.accept()[0].close()

            assert 0 == gateway.terminate(8), gateway.log


def test_while_the_interpreter_of_a_model_computes_every_request_is_answered(tmp_path: Path) -> None:
    port = free_port()
    with (
        Program("serve", str(EXAMPLES / "factorial.py"), "--port", str(port), folder=tmp_path) as server,
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client,
    ):
        server.wait_ready()
        created = client.post("/v1/models/local/factorial/predictions", json={"input": {"n": 150_000}}).json()
        place = f"/v1/predictions/{created['id']}"
        while client.get(place).json()["status"] == "starting":
            time.sleep(0.01)

        answers = [client.get(place) for _ in range(50)]

        assert {(200, "processing")} == {(answer.status_code, answer.json()["status"]) for answer in answers}
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)  # it need not be computed to its end


def wait_for(path: Path, patience: float = 30.0) -> None:
    until = time.monotonic() + patience
    while not path.exists():
        assert time.monotonic() < until, f"{path} has not appeared"
        time.sleep(0.01)


def test_an_idle_worker_whose_redis_has_gone_stops_soon(tmp_path: Path) -> None:
    with RedisServer() as redis:
        urls = {**rabbit.a_namespace(), "LEVERET_STORE_URL": redis.url}
        with Program("worker", written(tmp_path, "echo.py", ECHO), folder=tmp_path, environment=urls) as worker:
            worker.wait_ready()
            redis.kill()

            assert 0 == worker.terminate(10), worker.log
