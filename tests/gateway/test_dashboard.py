"""The files of the dashboard, over HTTP."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from leveret.gateway.dashboard import FOLDER, assets
from tests.gateway.served import Gateway

FUNCTION = re.compile(r"^((?:export )?(?:async )?function.*)\n((?:.*\n)*?)^\}$", re.MULTILINE)
METHOD = re.compile(r"^(  (?:async )?#?\w+\([^)]*\) \{)\n((?:.*\n)*?)^  \}$", re.MULTILINE)
"""A function and a method of a script, as prettier wraps them."""

LARGEST = 200 * 1024
"""How many bytes the dashboard may have in all."""


async def test_people_get_the_page_and_programs_that_ask_for_json_where_to_go_on(gateway: Gateway) -> None:
    page = await gateway.client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    anything = await gateway.client.get("/")
    about = await gateway.client.get("/", headers={"Accept": "application/json"})

    assert (200, "text/html; charset=utf-8") == (page.status_code, page.headers["content-type"])
    assert page.text == anything.text == (FOLDER / "index.html").read_text()
    assert ("leveret", "/v1", "/openapi.json") == tuple(about.json()[it] for it in ("name", "api", "openapi"))
    assert "Accept" == page.headers["vary"] == about.headers["vary"]


async def test_every_file_of_the_dashboard_is_served_with_its_type(gateway: Gateway) -> None:
    types = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
    for path in (path for path in FOLDER.rglob("*") if path.is_file()):
        answer = await gateway.client.get(f"/dashboard/{path.relative_to(FOLDER).as_posix()}")

        assert (200, path.read_bytes()) == (answer.status_code, answer.content)
        assert answer.headers["content-type"].startswith(types[path.suffix])
        assert "nosniff" == answer.headers["x-content-type-options"]


async def test_the_page_may_load_nothing_from_elsewhere(gateway: Gateway) -> None:
    policy = (await gateway.client.get("/")).headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert not re.search(r"https?:|\*|unsafe", policy)
    assert not [name for name, asset in assets().items() if re.search(rb"(src|href|import)\W+https?:", asset.content)]


async def test_what_has_not_changed_is_not_sent_again(gateway: Gateway) -> None:
    for path in ("/", "/dashboard/main.js"):
        etag = (await gateway.client.get(path)).headers["etag"]

        again = await gateway.client.get(path, headers={"If-None-Match": etag})
        other = await gateway.client.get(path, headers={"If-None-Match": '"other"'})

        assert (304, b"", etag) == (again.status_code, again.content, again.headers["etag"])
        assert 200 == other.status_code


@pytest.mark.parametrize(
    "path",
    [
        "/dashboard/",
        "/dashboard/nothing.js",
        "/dashboard/views",
        "/dashboard/../gateway/app.py",
        "/dashboard/%2e%2e/gateway/app.py",
        "/dashboard/..%2fgateway%2fapp.py",
        "/dashboard/views/../../gateway/app.py",
        "/dashboard//etc/passwd",
        "/dashboard/%2fetc%2fpasswd",
        "/dashboard/..\\gateway\\app.py",
        "/dashboard/main.js%00.html",
    ],
)
async def test_nothing_but_its_files_is_served(gateway: Gateway, path: str) -> None:
    status, body = await answered(gateway.address, path)

    assert (b"404", True) == (status, b"path_not_found" in body)


async def answered(address: tuple[str, int], path: str) -> tuple[bytes, bytes]:
    """The status and the rest of the answer to exactly this path, which no client has tidied up."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.split(b" ", 2)[1], answer


def test_the_dashboard_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < LARGEST


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.js")), ids=lambda path: path.name)
def test_a_script_is_short_and_opens_with_its_purpose(path: Path) -> None:
    text = path.read_text()

    assert text.count("\n") <= 300
    assert [] == [head for kind in (FUNCTION, METHOD) for head, body in kind.findall(text) if body.count("\n") > 38]
    assert re.match(r"// [A-Z].+\.\n", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)


@pytest.mark.slow
def test_the_wheel_has_the_dashboard(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=FOLDER.parent.parent.parent, check=True, capture_output=True)

    (wheel,) = tmp_path.glob("*.whl")

    packed = {name.removeprefix("leveret/dashboard/") for name in ZipFile(wheel).namelist() if "/dashboard/" in name}
    assert set(assets()) == packed
