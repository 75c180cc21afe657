"""The pages keep their word: what they show is run, and where they lead is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from leveret.testing.rabbitmq_server import RabbitServer
from leveret.testing.redis_server import RedisServer
from tests.docs.snippets import PAGES, ROOT, Runner, anchors, first_python, links
from tests.system.program import QUICK, Program, free_port

NAMES = ("acme_ocr", "ocr", "factorial", "textgen", "embed", "draw", "broken")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """A gateway with the models of the pages, and the environment that its readers have."""
    folder, port = tmp_path_factory.mktemp("served"), free_port()
    shutil.copy(Path(__file__).parent / "models.py", folder)
    (folder / "app.py").write_text(first_python(ROOT / "docs" / "quickstart.md"))
    with ExitStack() as stack:
        broker, store = stack.enter_context(RabbitServer()), stack.enter_context(RedisServer())
        urls = {"LEVERET_BROKER_URL": broker.url, "LEVERET_STORE_URL": store.url}
        targets = [*[f"models.py:{name}" for name in NAMES], "app.py:shout", "app.py:spell"]
        program = Program("serve", *targets, "--port", str(port), folder=folder, environment={**QUICK, **urls})
        stack.enter_context(program).wait_ready()
        address = f"127.0.0.1:{port}"
        yield address, {**urls, "LEVERET_URL": f"http://{address}", "LEVERET_WEBHOOK_SECRET": SECRET}


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_what_a_page_shows_is_run(
    page: Path, site: tuple[str, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, environment = site
    if page.stem == "security":  # its keys are for a data folder; the gateway of the other pages goes on without
        environment = {
            name: value for name, value in environment.items() if not name.endswith(("BROKER_URL", "STORE_URL"))
        }
    shutil.copy(ROOT / "examples" / "images" / "invoice.png", tmp_path)
    shutil.copytree(ROOT / "examples" / "images", tmp_path / "examples" / "images")
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setitem(os.environ, name, value)

    Runner(tmp_path, address, environment).run(page)


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_where_a_page_leads_is_there(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page

        assert target.exists(), link
        assert not anchor or target.suffix != ".md" or anchor in anchors(target), link
