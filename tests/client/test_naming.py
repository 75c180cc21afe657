"""Names of downloaded files."""

from __future__ import annotations

import pytest

from leveret.client import data_urls, naming


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("data:image/png;base64,aGVsbG8=", "output.png"),
        ("data:image/png;name=a%20b.png;base64,aGVsbG8=", "a b.png"),
        ("data:;base64,aGVsbG8=", "output.txt"),
        ("data:text/plain;name=..%2F..%2F.bashrc;base64,aGVsbG8=", "bashrc"),
        ("data:text/plain;name=..%5C..%5Ca%00b;base64,aGVsbG8=", "a_b"),
        ("data:text/plain;name=..;base64,aGVsbG8=", "output.txt"),
    ],
)
def test_a_data_url_tells_a_name_that_leads_nowhere_else(url: str, name: str) -> None:
    assert name == naming.of_content(data_urls.decode(url))


@pytest.mark.parametrize(
    ("path", "headers", "name"),
    [
        ("/v1/files/f1/a.png?signature=x", {}, "a.png"),
        ("/v1/files/f1/download", {"content-type": "text/plain; charset=utf-8"}, "download.txt"),
        ("/v1/files/f1/download", {"content-disposition": 'attachment; filename="../a.txt"'}, "a.txt"),
        ("/a.png", {"content-disposition": "attachment; filename*=UTF-8''%C3%A4.txt"}, "ä.txt"),
        ("/a.png", {"content-disposition": "inline"}, "a.png"),
        ("/", {"content-type": "image/png"}, "output.png"),
        ("/%2e%2e%2fpasswd", {}, "passwd"),
    ],
)
def test_an_answer_tells_a_name_that_leads_nowhere_else(path: str, headers: dict[str, str], name: str) -> None:
    assert name == naming.of_answer(f"https://files.example{path}", headers)
