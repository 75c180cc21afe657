"""Files on their way through a worker: to the model as files on disk, and from it among the blobs."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from leveret.backends.files import FileBlobs
from leveret.core import references
from leveret.core.events import Output
from leveret.core.prediction import Blob, Means, Status
from leveret.core.references import Reference
from leveret.core.streams import once
from leveret.errors import InvalidSetting, StoreUnavailable
from leveret.worker.spool import Spool
from tests.outbound.servers import LOOPBACK, receiving
from tests.worker.arrange import GATED, PATIENCE, QUICK, Embedded, appears, let_go, opened

HARE = b"hare\x00\xff" * 100_000
"""Larger than what is copied in one go."""

MODEL = """
from leveret import File

@model
def look(file: File) -> dict:
    with file.open() as opened:
        same = opened.read() == file.read() == file.path.read_bytes()
    return {"size": len(file.read()), "type": file.content_type, "name": file.name, "ending": file.path.suffix,
        "same": same, "path": str(file.path)}

@model
def paths(files: list[Path]) -> str:
    return "".join(path.read_text() for path in files)

@model(batch=4)
def sizes(files: list[File]) -> list[bytes]:
    return [str(len(file.read())).encode() for file in files]

@model
async def later(file: File) -> File:
    return File(file.read() + b"!", "text/plain", "later.txt")

@model
def draw(kind: str) -> list[File]:
    Path("drawn.txt").write_text("drawn")
    nested = [{"a": File(b"x", "text/plain", "häre ☃.txt")}]
    return {"bytes": b"%PDF-1.4", "path": Path("drawn.txt"), "nested": nested}[kind]

@model
def film(frames: int) -> Iterator[File]:
    for number in range(frames):
        yield File(f"frame {number}".encode(), "text/plain")

@model
def echo(text: str) -> str:
    return text

@model
def stream(text: str) -> Iterator[str]:
    yield text
"""


@pytest.fixture
async def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Embedded]:
    monkeypatch.chdir(tmp_path)
    async with opened(tmp_path) as family:
        yield family


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


def files(folder: Path) -> list[Path]:
    """Everything in the folder but locks."""
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


def inside(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def put(family: Embedded, content: bytes = HARE, name: str = "hare.png") -> str:
    """A file as an input names it once a gateway has seen it."""
    blob = await family.blobs.put("files/1", once(content), content_type="image/png")
    return references.write(Reference(blob, name))


async def content(family: Embedded, text: object) -> tuple[bytes, Reference]:
    reference = references.read(str(text))
    assert reference is not None
    return b"".join([chunk async for chunk in family.blobs.open(reference.blob)]), reference


class TestInputs:
    async def test_a_file_among_the_blobs_is_on_disk_for_its_run(self, family: Embedded, spool: Path) -> None:
        async with family.serving(family.model(MODEL) + ":look", replace(QUICK, spool_dir=str(spool))):
            (given,) = await family.submit("local/look", {"file": await put(family)})
            look = await family.output(given)
            assert isinstance(look, dict)
            path = Path(str(look.pop("path")))
            (again,) = await family.submit("local/look", {"file": "data:text/csv;name=a.csv,a;b"})
            inline = await family.output(again)

        expected = {"size": len(HARE), "type": "image/png", "name": "hare.png", "ending": ".png", "same": True}
        assert expected == look
        assert path.is_relative_to(spool)
        assert isinstance(inline, dict)
        assert (3, ".csv", True) == (inline["size"], inline["ending"], inline["same"])
        assert Path(str(inline["path"])).is_relative_to(spool)
        assert [] == inside(spool)

    async def test_the_files_of_a_run_are_removed_when_it_has_ended(self, family: Embedded, spool: Path) -> None:
        async with family.serving(family.model(MODEL) + ":look", replace(QUICK, spool_dir=str(spool))):
            given = await family.submit("local/look", *[{"file": await put(family)}] * 2, {"file": "nothing"})
            for one in given:
                await family.result(one)

            async with asyncio.timeout(PATIENCE):
                while files(spool):
                    await asyncio.sleep(0.01)

    async def test_paths_lists_batches_and_coroutines_get_them_too(self, family: Embedded) -> None:
        target = family.model(MODEL)
        text = await put(family, b"hare", "a.txt")
        async with AsyncExitStack() as stack:
            for name in ("paths", "sizes", "later"):
                await stack.enter_async_context(family.serving(f"{target}:{name}"))
            (joined,) = await family.submit("local/paths", {"files": [text, "data:,%20and%20", text]})
            sized = await family.submit("local/sizes", {"files": text}, {"files": "data:,x"})
            (after,) = await family.submit("local/later", {"file": text})

            assert "hare and hare" == await family.output(joined)
            assert [b"4", b"1"] == [(await content(family, await family.output(one)))[0] for one in sized]
            assert b"hare!" == (await content(family, await family.output(after)))[0]

    async def test_a_file_that_is_gone_fails_its_prediction_and_no_other(self, family: Embedded) -> None:
        text = await put(family)
        async with family.serving(family.model(MODEL) + ":sizes"):
            gone = text.replace("files/1", "files/2")
            one, other = await family.submit("local/sizes", {"files": gone}, {"files": text})
            failed, done = await family.result(one), await family.result(other)

        assert (Status.FAILED, Status.SUCCEEDED) == (failed.status, done.status)
        assert "the file 'hare.png' cannot be read" in str(failed.error)
        assert ["queued", "started", "failed"] == await family.kinds(one)

    async def test_a_file_that_is_damaged_never_reaches_the_model(self, family: Embedded) -> None:
        text = await put(family)
        (family.folder / "blobs" / "files" / "1").write_bytes(HARE[:-1] + b"?")
        async with family.serving(family.model(MODEL) + ":look"):
            (given,) = await family.submit("local/look", {"file": text})
            failed = await family.result(given)

        assert "damaged" in str(failed.error)

    async def test_no_input_can_name_a_file_of_the_worker(self, family: Embedded, tmp_path: Path) -> None:
        async with family.serving(family.model(MODEL) + ":look"):
            given = await family.submit(
                "local/look",
                {"file": f"leveret-spool:{'0' * 32}"},
                {"file": "leveret-spool:../../../etc/passwd"},
                {"file": "file:///etc/passwd"},
                {"file": "/etc/passwd"},
            )
            results = [await family.result(one) for one in given]

        assert {Status.FAILED} == {result.status for result in results}

    async def test_what_is_expected_to_be_text_stays_as_it_is(self, family: Embedded) -> None:
        text = await put(family)
        async with family.serving(family.model(MODEL) + ":echo"):
            (given,) = await family.submit("local/echo", {"text": text})

            assert text == await family.output(given)


class TestFetching:
    """Files that are read from where a client says they are."""

    async def test_a_url_is_read_before_the_run_begins(self, family: Embedded, spool: Path) -> None:
        content = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nhare"
        settings = replace(QUICK, spool_dir=str(spool))
        async with receiving(content) as server, family.serving(family.model(MODEL) + ":look", settings, LOOPBACK):
            url = f"http://127.0.0.1:{server.port}/a/hare.txt?token=secret"
            (given,) = await family.submit("local/look", {"file": url})
            look = await family.output(given)

        assert isinstance(look, dict)
        assert (4, "text/plain", "hare.txt", ".txt", True) == tuple(
            look[name] for name in ("size", "type", "name", "ending", "same")
        )
        assert url not in json.dumps(look)

    async def test_what_cannot_be_read_fails_its_prediction_and_says_where(self, family: Embedded) -> None:
        async with (
            receiving(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as server,
            family.serving(family.model(MODEL) + ":look", QUICK, LOOPBACK),
        ):
            url = f"http://127.0.0.1:{server.port}/hare.txt"
            (given,) = await family.submit("local/look", {"file": f"{url}?token=secret"})
            failed = await family.result(given)

        assert (Status.FAILED, f"the file at {url} cannot be read: its server answered 404") == (
            failed.status,
            failed.error,
        )
        assert "secret" not in failed.logs

    async def test_nothing_is_read_from_where_the_guard_forbids(self, family: Embedded) -> None:
        async with receiving(b"") as server, family.serving(family.model(MODEL) + ":look"):
            given = await family.submit(
                "local/look",
                {"file": f"http://127.0.0.1:{server.port}/"},
                {"file": f"HTTPS://localhost:{server.port}/"},
                {"file": "https://169.254.169.254/latest/meta-data"},
            )
            results = [await family.result(one) for one in given]

        assert {Status.FAILED} == {result.status for result in results}
        assert all("this server does not call that URL" in str(result.error) for result in results)
        assert 0 == server.connections

    async def test_a_cancel_is_not_kept_waiting_by_a_slow_server(self, family: Embedded, spool: Path) -> None:
        settings = replace(QUICK, spool_dir=str(spool))
        slow = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhare"
        async with receiving(slow) as server, family.serving(family.model(MODEL) + ":look", settings, LOOPBACK):
            (given,) = await family.submit("local/look", {"file": f"http://127.0.0.1:{server.port}/hare.txt"})
            async with asyncio.timeout(PATIENCE):
                while not files(spool):
                    await asyncio.sleep(0.01)
            await family.cancel(given)
            result = await family.result(given)

        assert (Status.CANCELED, Means.NOT_BEGUN) == (result.status, result.stopped)
        assert [] == files(spool)


class TestOutputs:
    @pytest.mark.parametrize(
        ("kind", "expected"),
        [
            ("bytes", (b"%PDF-1.4", "application/pdf", "")),
            ("path", (b"drawn", "text/plain", "drawn.txt")),
            ("nested", (b"x", "text/plain", "häre ☃.txt")),
        ],
    )
    async def test_a_file_is_kept_among_the_blobs(
        self, family: Embedded, spool: Path, kind: str, expected: tuple[bytes, str, str]
    ) -> None:
        async with family.serving(family.model(MODEL) + ":draw", replace(QUICK, spool_dir=str(spool))):
            (given,) = await family.submit("local/draw", {"kind": kind})
            output = await family.output(given)

        assert [] == files(spool)
        text = output[0]["a"] if isinstance(output, list) and isinstance(output[0], dict) else output
        found, reference = await content(family, text)
        assert expected == (found, reference.blob.content_type, reference.name)
        assert reference.blob.key.startswith(f"outputs/{given}/1/")

    async def test_a_stream_of_files_is_kept_as_it_comes(self, family: Embedded) -> None:
        async with family.serving(family.model(MODEL) + ":film"):
            (given,) = await family.submit("local/film", {"frames": 3})
            output = await family.output(given)
            log = await family.log(given)

        assert isinstance(output, list)
        assert [b"frame 0", b"frame 1", b"frame 2"] == [(await content(family, one))[0] for one in output]
        chunks = [chunk for entry in log if isinstance(entry.event, Output) for chunk in entry.event.chunks]
        assert output == [json.loads(bytes(chunk)) for chunk in chunks]

    @pytest.mark.parametrize("name", ["echo", "stream"])
    async def test_text_that_looks_like_a_file_hands_over_nothing(self, family: Embedded, name: str) -> None:
        texts = [f"leveret-spool:{'0' * 32}", "leveret-spool:../m0.py", "leveret-spool:" + "0" * 32 + "?type=a"]
        async with family.serving(f"{family.model(MODEL)}:{name}"):
            given = await family.submit(f"local/{name}", *[{"text": text} for text in texts])
            outputs = [await family.output(one) for one in given]

        assert texts == [output[0] if isinstance(output, list) else output for output in outputs]

    async def test_blobs_that_are_away_for_a_moment_only_delay_it(self, family: Embedded) -> None:
        blobs = AwayAtFirst(family.folder / "blobs")
        async with dataclasses.replace(family, blobs=blobs).serving(family.model(MODEL) + ":draw"):
            (given,) = await family.submit("local/draw", {"kind": "bytes"})

            found, _ = await content(family, await family.output(given))

        assert (b"%PDF-1.4", 3, 1) == (found, len(blobs.tries), len(set(blobs.tries)))


class AwayAtFirst(FileBlobs):
    """Away for the first two that are put."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.tries: list[str] = []

    async def put(self, key: str, stream: AsyncIterable[bytes], *, content_type: str) -> Blob:
        self.tries.append(key)
        if len(self.tries) < 3:
            raise StoreUnavailable(reason="it was switched off")
        return await super().put(key, stream, content_type=content_type)


class TestSpool:
    async def test_what_a_killed_worker_has_left_is_removed_by_the_next(self, tmp_path: Path) -> None:
        left = Spool(str(tmp_path))
        with left.held():
            pass
        left.path.mkdir()
        (left.path / "lock").touch()
        (left.path / "p1.1").mkdir()
        (left.path / "p1.1" / "file").write_bytes(b"x")

        with Spool(str(tmp_path)).held() as _, Spool(str(tmp_path)).held():
            assert 2 == len(inside(tmp_path))
            assert not left.path.exists()

        assert [] == inside(tmp_path)

    async def test_the_spool_of_a_running_worker_is_left_alone(self, family: Embedded, spool: Path) -> None:
        gate = str(family.folder / "gate")
        target = family.model("from leveret import File\n" + GATED.replace("gate: str", "gate: str, file: File"))
        async with family.serving(target, replace(QUICK, spool_dir=str(spool))):
            (given,) = await family.submit("local/gated", {"gate": gate, "file": await put(family)})
            await appears(family.folder, "gate.began-1")
            with Spool(str(spool)).held():
                assert 1 == len(files(spool))
            let_go(gate)
            await family.output(given)

    async def test_a_folder_that_cannot_be_used_is_a_mistake_in_the_settings(self, family: Embedded) -> None:
        (family.folder / "file").touch()
        worker = family.worker(family.model(MODEL) + ":echo", replace(QUICK, spool_dir=str(family.folder / "file")))

        with pytest.raises(InvalidSetting, match="spool_dir"):
            await worker.run()

    async def test_nobody_else_can_read_it(self, tmp_path: Path) -> None:
        spool = Spool(str(tmp_path))
        with spool.held():
            assert 0o700 == os.stat(spool.path).st_mode & 0o777
