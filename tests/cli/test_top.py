"""`leveret top`, in a terminal and for programs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from rich.console import Console

from leveret.cli.board import board
from leveret.cli.look import Gateway as Asked
from leveret.cli.look import Look, Model, Worker
from tests.cli.conftest import MODELS, NAMES
from tests.cli.terminal import Terminal, leveret
from tests.gateway.served import ECHO, Gateway, serving
from tests.system.program import Program, free_port

ALTERNATE: Final = "\x1b[?1049h"
BACK: Final = "\x1b[?1049l"
HIDDEN: Final = "\x1b[31m"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(tmp_path) as gateway:
        yield gateway


def model(name: str = "local/echo", *, problem: str | None = None) -> Model:
    return Model(
        model=name,
        workers=2,
        running=3,
        slots=4,
        waiting=7,
        lanes=[4, 2, 1, 0],
        submitted=12.5,
        ended=250.0,
        mean_run=0.25,
        wait=125.0,
        queued_95=None,
        run_95=0.00001,
        delivery_95=None,
        problem=problem,
    )


def worker(number: int) -> Worker:
    return Worker(id=f"host-{number}", model="local/echo", running=1, slots=2, problem=None)


def shown(
    *models: Model, workers: int = 1, width: int = 120, height: int | None = None, trouble: str = ""
) -> list[str]:
    asked = Asked(ready=True, requests=3.0, problems=0.0, answer=0.012, followers=5, outbox=1, outbox_age=61.0)
    look = Look(at=0.0, gateway=asked, models=list(models), workers=[worker(number) for number in range(workers)])
    console = Console(width=width, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(board(look, url="http://gate", width=width, height=height, trouble=trouble))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_model_is_a_line_with_its_lanes_rates_and_latencies() -> None:
    lines = shown(model())

    assert "leveret  http://gate  ready  00:00:00 UTC" == lines[0]
    assert "requests 3.0/s  95 % answered in 12 ms  problems 0/s  followers 5  outbox 1 (61.0 s)" == lines[1]
    assert [
        "local/echo",
        "2",
        "3/4",
        "7",
        "4",
        "2",
        "1",
        "0",
        "12.5",
        "250",
        "250",
        "ms",
        "2",
        "min",
        "-",
        "0",
    ] == lines[4].split()
    assert ["host-0", "local/echo", "1/2"] == lines[7].split()


@pytest.mark.parametrize("width", [80, 115, 200])
def test_a_long_name_gives_way_and_numbers_do_not(width: int) -> None:
    long = f"an-owner/{'x' * 60}"
    lines = shown(model(long, problem="no device"), model(), width=width)

    assert all(len(line) <= width for line in lines)
    assert "4 2 1 0" in lines[4]
    assert "250 ms" in lines[4]
    assert "no device" in lines[4]
    assert (long in lines[4]) == (width == 200)


def test_where_there_is_no_room_for_all_it_says_how_many_more_there_are() -> None:
    lines = shown(*[model(f"local/m{number}") for number in range(40)], workers=40, height=24)

    assert len(lines) <= 24
    assert any(line.startswith("and ") for line in lines[:14])
    assert any(line.startswith("and ") for line in lines[14:])
    assert any("local/m0" in line for line in lines)
    assert any("host-0" in line for line in lines)


def test_a_terminal_takes_no_orders_from_a_problem() -> None:
    assert HIDDEN not in "\n".join(shown(model(problem=f"{HIDDEN}no\nmore"), trouble=HIDDEN))


@pytest.mark.slow
async def test_one_look_behind_a_pipe_is_a_table(gateway: Gateway) -> None:
    await gateway.create()

    done = await asyncio.to_thread(leveret, "top", url=gateway.url)

    assert (0, "") == (done.returncode, done.stderr)
    assert "\x1b" not in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(ECHO.model)]
    assert "1 0 0 0" in line


@pytest.mark.slow
async def test_one_look_as_json_has_all_of_it(gateway: Gateway) -> None:
    await gateway.create()
    await gateway.worker.start(await gateway.create())

    done = await asyncio.to_thread(leveret, "top", "--once", "--json", url=gateway.url)
    look = json.loads(done.stdout)

    assert 0 == done.returncode
    assert {"at", "gateway", "models", "workers"} == look.keys()
    (echo,) = look["models"]
    assert (ECHO.model, 1, 1, [1, 0, 0, 0]) == (echo["model"], echo["running"], echo["waiting"], echo["lanes"])
    assert [ECHO.model] == [one["model"] for one in look["workers"]]


@pytest.mark.slow
async def test_a_gateway_that_is_not_there_is_told_as_by_every_command() -> None:
    done = await asyncio.to_thread(leveret, "top", "--once", url="http://127.0.0.1:1")

    assert 3 == done.returncode
    assert "Traceback" not in done.stderr


@pytest.mark.slow
async def test_it_goes_on_in_a_terminal_until_q_is_pressed(gateway: Gateway) -> None:
    def watch(terminal: Terminal) -> None:
        terminal.wait_for("0 0 0 0")
        assert not terminal.echoes

    with Terminal("top", "--interval", "0.2", url=gateway.url) as terminal:
        await asyncio.to_thread(watch, terminal)
        await gateway.create()
        await asyncio.to_thread(terminal.wait_for, "1 0 0 0")
        terminal.type("xq")
        code = await asyncio.to_thread(terminal.end)
        echoes = terminal.echoes

    assert 0 == code
    assert ALTERNATE in terminal.shown
    assert BACK in terminal.shown
    assert echoes


@pytest.mark.slow
async def test_ctrl_c_leaves_the_terminal_as_it_was(gateway: Gateway) -> None:
    with Terminal("top", url=gateway.url) as terminal:
        await asyncio.to_thread(terminal.wait_for, "worker")
        terminal.interrupt()
        code = await asyncio.to_thread(terminal.end)
        echoes = terminal.echoes

    assert 130 == code
    assert BACK in terminal.shown
    assert echoes
    assert "Traceback" not in terminal.text


@pytest.mark.slow
async def test_it_follows_the_size_of_the_terminal_at_once(gateway: Gateway) -> None:
    with Terminal("top", "--interval", "3600", url=gateway.url, size=(24, 80)) as terminal:
        await asyncio.to_thread(terminal.wait_for, "by lane")
        assert "95 % wait" not in terminal.text
        terminal.resize(30, 140)
        await asyncio.to_thread(terminal.wait_for, "95 % wait")
        terminal.type("q")
        code = await asyncio.to_thread(terminal.end)

    assert 0 == code


@pytest.mark.slow
def test_while_the_gateway_does_not_answer_the_last_look_stays(tmp_path: Path) -> None:
    port = free_port()
    with Program("serve", f"{MODELS}:add", "--port", str(port), folder=tmp_path) as program:
        program.wait_ready()
        with Terminal("top", "--interval", "0.2", url=f"http://127.0.0.1:{port}", size=(24, 140)) as terminal:
            terminal.wait_for("local/add")
            program.kill()
            terminal.wait_for("no answer since")
            terminal.type("q")

            assert 0 == terminal.end()


@pytest.mark.slow
def test_a_real_server_is_ready_and_shows_how_long_its_runs_take(address: str) -> None:
    assert 0 == leveret("predict", "add", "numbers=1", url=address).returncode

    done = leveret("top", "--once", "--json", url=address)
    look = json.loads(done.stdout)
    (add,) = [one for one in look["models"] if one["model"] == "local/add"]

    assert look["gateway"]["ready"]
    assert (1, 1, 0) == (add["workers"], add["slots"], add["waiting"])
    assert 0 < add["run_95"] < 60
    assert 0 < add["queued_95"] < 60
    assert set(NAMES) == {one["model"].removeprefix("local/") for one in look["workers"]}
