"""The file: what a data: URL may look like, and what is wrong with one that is not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leveret import File
from leveret.core import spooled
from leveret.core.spooled import Spooled
from leveret.model.exchange import Exchange


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("data:image/png;base64,aGFyZQ==", File(b"hare", "image/png")),
        ("data:;base64,aGFyZQ==", File(b"hare", "text/plain;charset=US-ASCII")),
        ("data:,hare%20%C3%A9", File("hare é".encode(), "text/plain;charset=US-ASCII")),
        ("data:text/plain;charset=utf-8,a,b", File(b"a,b", "text/plain;charset=utf-8")),
        ("data:;charset=utf-8,x", File(b"x", "text/plain;charset=utf-8")),
        ("DATA:image/png;BASE64,aGFyZQ%3D%3D", File(b"hare", "image/png")),
        ("data:image/png;name=a%20b.png;base64,aGFyZQ==", File(b"hare", "image/png", "a b.png")),
        ("data:image/png;filename=b.png,hare", File(b"hare", "image/png", "b.png")),
        ("data:,", File(b"", "text/plain;charset=US-ASCII")),
    ],
)
def test_a_data_url_becomes_a_file(url: str, expected: File) -> None:
    assert File.from_url(url) == expected


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://example.com/a.png", "a file is an http(s): URL, or a data: URL such as"),
        ("http://example.com/" + "a" * 100, "not 'http://example.com/aaaaaaaaaaaaaaaaaaaaa'"),
        ("hare", "a file is an http(s): URL"),
        ("", "a file is an http(s): URL"),
        ("data:image/png;base64", "no comma"),
        ("data:;base64,aGFyZQ", "base64 of the data: URL is damaged"),
        ("data:;base64,aGF yZQ==", "base64 of the data: URL is damaged"),
        ("data:;base64,-_-_", "base64 of the data: URL is damaged"),
        ("data:;base64,é", "base64 of the data: URL is damaged"),
        ("data:,ab%2", "'%' without two hexadecimal digits at place 2"),
        ("data:,é", "outside of ASCII"),
    ],
)
def test_anything_else_is_refused_with_the_reason(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"file|URL") as refused:
        File.from_url(url)

    assert problem in str(refused.value)


@given(
    data=st.binary(max_size=100),
    name=st.text(max_size=20).filter(lambda text: text.isprintable()),
    content_type=st.sampled_from(["image/png", "text/plain;charset=utf-8"]),
)
def test_a_file_survives_the_way_through_its_url(data: bytes, name: str, content_type: str) -> None:
    file = File(data, content_type, name)

    assert File.from_url(file.url) == file


def test_a_file_can_be_read_at_once_or_as_an_open_file() -> None:
    file = File(b"hare")

    with file.open() as opened:
        assert (file.read(), opened.read(2), opened.read()) == (b"hare", b"ha", b"re")


def test_a_file_from_disk_knows_its_name_and_type(tmp_path: Path) -> None:
    path = tmp_path / "hare.png"
    path.write_bytes(b"hare")

    assert File.from_path(path) == File(b"hare", "image/png", "hare.png")


def test_a_file_from_disk_without_a_known_ending_is_just_bytes(tmp_path: Path) -> None:
    path = tmp_path / "hare"
    path.write_bytes(b"hare")

    assert File.from_path(str(path)).content_type == "application/octet-stream"


def test_the_content_is_not_in_the_representation() -> None:
    assert repr(File(b"secret", "text/plain", "a.txt")) == "File(6 bytes, 'text/plain', 'a.txt')"


@pytest.mark.parametrize(
    ("data", "name", "content_type"),
    [
        (b"\x89PNG\r\n\x1a\n....", "", "image/png"),
        (b"\xff\xd8\xff\xe0....", "", "image/jpeg"),
        (b"RIFF....WEBPVP8 ", "", "image/webp"),
        (b"RIFF....WAVEfmt ", "", "audio/wav"),
        (b"....ftypisom", "", "video/mp4"),
        (b"%PDF-1.7", "", "application/pdf"),
        (b"%PDF-1.7", "a.txt", "text/plain"),
        (b"hare", "hare.jpg", "image/jpeg"),
        (b"hare", "hare", "application/octet-stream"),
        (b"", "", "application/octet-stream"),
    ],
)
def test_the_content_type_is_that_of_the_name_or_of_the_first_bytes(data: bytes, name: str, content_type: str) -> None:
    assert content_type == File(data, name=name).content_type


def test_a_file_can_be_had_on_disk_with_its_ending() -> None:
    for file, ending in ((File(b"hare", "image/png"), ".png"), (File(b"hare", "image/png", "a.webp"), ".webp")):
        path = file.path

        assert (b"hare", ending, path) == (path.read_bytes(), path.suffix, file.path)
        path.unlink()


def test_a_file_that_stays_on_disk_is_read_when_it_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "hare"
    path.write_bytes(b"%PDF-1.7")

    file = File.at(path)

    assert ("application/pdf", "hare", path) == (file.content_type, file.name, file.path)
    path.write_bytes(b"changed")
    with file.open() as opened:
        assert b"changed" == file.read() == opened.read()
    assert File(b"changed", "application/pdf", "hare") == file
    assert hash(File(b"changed", "application/pdf", "hare")) == hash(file)


class TestExchange:
    """What a model is handed and hands over in the folder of its run."""

    def test_what_the_worker_has_fetched_is_a_file_on_disk(self, tmp_path: Path) -> None:
        exchange = Exchange(tmp_path, prediction_id="p1", attempt=2)
        place = exchange.place(".png")
        place.write_bytes(b"hare")

        file = File.from_url(spooled.write(Spooled(place.name, "image/png", "hare.png")), exchange)

        assert (place, "image/png", "hare.png", b"hare") == (file.path, file.content_type, file.name, file.read())
        assert tmp_path / "p1.2" == place.parent

    def test_a_file_from_a_data_url_is_put_there_when_it_is_needed_on_disk(self, tmp_path: Path) -> None:
        file = File.from_url("data:image/png;base64,aGFyZQ==", Exchange(tmp_path, prediction_id="p1", attempt=1))
        assert [] == list(tmp_path.iterdir())

        assert b"hare" == file.path.read_bytes()
        assert tmp_path / "p1.1" == file.path.parent

    @pytest.mark.parametrize("name", ["../../etc/passwd", "x/" + "0" * 32, "0" * 31, "", "0" * 32 + ".a/b"])
    def test_nothing_else_can_be_named(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ValueError, match="a file is"):
            File.from_url(f"leveret-spool:{name}", Exchange(tmp_path, prediction_id="p1", attempt=1))
