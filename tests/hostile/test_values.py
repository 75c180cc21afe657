"""Whatever stands where a client may write something: a clean answer, and never the server's fault."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.hostile.victim import Answer, Victim, request, unharmed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

some = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

HEADERS = (
    *("Last-Event-ID", "Prefer", "Idempotency-Key", "Cancel-After", "Authorization", "X-Stainless-Retry-Count"),
    *("Content-Type", "Content-Length", "Host", "Range", "If-Range", "If-None-Match", "Accept", "Cookie", "Expect"),
    *("Content-Encoding", "Transfer-Encoding", "Connection", "Upgrade", "traceparent", "X-Forwarded-Host"),
)
PATHS = (
    *("/{}", "/docs/{}", "/health/{}", "/v1/streams/{}", "/v1/files/{}", "/v1/files/{}/download", "/v1/models/{}/x"),
    *("/v1/predictions/{}", "/v1/predictions/{}/cancel", "/v1/predictions/{}/events", "/v1/predictions/{}/retry"),
    *("/v1/models/local/echo/versions/{}", "/admin/v1/dead/{}", "/admin/v1/keys/{}", "/admin/v1/accounts/{}"),
)
ECHO = "/v1/models/local/echo/predictions"
BODY = b'{"input": {"text": "hello"}}'

octets = st.binary(max_size=60).map(lambda data: data.translate(None, b"\r\n").decode("latin-1"))
wild = st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogateescape" if text.isascii() else "replace"))
numbers = st.one_of(st.integers(), st.floats(), st.sampled_from(["", "-0", "1e9", "٣", "²", "0x10", "9" * 5000])).map(
    str
)
values = st.one_of(
    octets,
    numbers,
    numbers.map(lambda number: f"wait={number}"),
    numbers.map(lambda number: f"bytes={number}-{number}"),
    st.text('"\\, ;=', max_size=20),
    octets.map(lambda text: f'"{text}"'),
).map(lambda text: text.encode("utf-8", "replace").decode("latin-1"))
words = st.one_of(wild, numbers.map(str.encode), st.binary(max_size=60)).map(quote)


def clean(answer: Answer) -> None:
    """What every refusal looks like."""
    assert 200 <= answer.status < 500, answer
    if answer.status >= 400:
        assert answer.code
        assert answer.status == json.loads(answer.body)["status"]


@pytest.fixture(scope="module", autouse=True)
def _harmless(server: Victim) -> Iterator[None]:
    with unharmed(server):
        yield


@pytest.fixture(scope="module")
def ended(server: Victim) -> str:
    return str(server.run("echo", {"text": "hello"}).json()["id"])


@pytest.fixture(scope="module")
def link(server: Victim) -> str:
    file = server.client.post("/v1/files", files={"content": ("a.txt", b"hare")}).json()
    return str(file["urls"]["download"]).removeprefix(server.url)


@some
@given(st.sampled_from(HEADERS), values)
@example("Prefer", "wait=" + "9" * 5000)
@example("Idempotency-Key", "\x00")
@example("Idempotency-Key", '"' + "\\" * 255)
@example("Cancel-After", "9" * 400 + "h")
@example("X-Stainless-Retry-Count", "²")
@example("Expect", "100-continue")
@example("Content-Type", "multipart/form-data; boundary=" + "\x80" * 60)
def test_any_header_of_a_create(server: Victim, name: str, value: str) -> None:
    clean(server.exchange(request(ECHO, BODY, f"{name}: {value}")))


@some
@given(st.sampled_from(HEADERS), values)
@example("Last-Event-ID", "9" * 16)
@example("Last-Event-ID", "-1")
@example("Last-Event-ID", "1:9:9")
def test_any_header_of_a_stream(server: Victim, ended: str, name: str, value: str) -> None:
    for path in (f"/v1/predictions/{ended}/events", f"/v1/streams/{ended}"):
        clean(server.exchange(request(path, b"", f"{name}: {value}", method="GET")))


@some
@given(
    st.sampled_from(
        ["/v1/predictions", "/v1/files", "/v1/models", "/v1/deployments", "/admin/v1/dead", "/openapi.json"]
    ),
    st.sampled_from(["cursor", "status", "model", "after", "limit", "x"]),
    words,
)
@example("/v1/predictions", "cursor", "%00")
@example("/v1/predictions", "cursor", "%F0%9F%90%87")
@example("/admin/v1/dead", "cursor", "9" * 400)
@example("/admin/v1/dead", "limit", "-1")
def test_any_parameter_of_a_page(server: Victim, path: str, name: str, value: str) -> None:
    clean(server.exchange(request(f"{path}?{name}={value}", method="GET")))


@some
@given(
    st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "QUERY", "OPTIONS"]),
    st.sampled_from(PATHS),
    words,
)
@example("GET", "/docs/{}", "..%2f..%2f..%2fetc%2fpasswd")
@example("GET", "/docs/{}", "%2e%2e/%2e%2e/app.py")
@example("GET", "/v1/files/{}/download", "%2e%2e%2f")
def test_any_word_in_a_path(server: Victim, method: str, path: str, word: str) -> None:
    answer = server.exchange(request(path.format(word), method=method))

    assert 200 <= answer.status < 500, answer
    assert "root:" not in answer.body.decode("latin-1")
    assert "from __future__" not in answer.body.decode("latin-1")


@some
@given(
    st.dictionaries(st.sampled_from(["owner", "expiry", "signature"]), words),
    st.integers(0, 200),
    st.binary(max_size=3),
)
def test_no_link_that_we_have_not_made_opens_anything(
    server: Victim, link: str, changes: dict[str, str], at: int, bits: bytes
) -> None:
    path, _, query = link.partition("?")
    parameters = dict(part.split("=", 1) for part in query.split("&")) | changes
    cut = at % len(path)
    path = path if changes else path[:cut] + quote(bits + b"!") + path[cut + 1 :]

    answer = server.exchange(
        request(f"{path}?{'&'.join(f'{name}={value}' for name, value in parameters.items())}", method="GET")
    )

    assert answer.status in (400, 403, 404), answer
    assert b"hare" != answer.body


@some
@given(st.binary(min_size=1, max_size=300))
def test_no_packed_id_leads_out_of_what_is_kept(server: Victim, packed: bytes) -> None:
    file_id = urlsafe_b64encode(packed).rstrip(b"=").decode()

    clean(
        server.exchange(
            request(f"/v1/files/{file_id}/download?owner=local&expiry=99999999999&signature=x", method="GET")
        )
    )


@some
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=10), inner, max_size=4)),
        max_leaves=20,
    ),
    st.sampled_from(["input", "version", "webhook", "webhook_events_filter", "priority", "retention", "reuse"]),
)
@example(1e400, "retention")
@example("9" * 5000 + "d", "retention")
@example(["start"] * 10_000, "webhook_events_filter")
def test_any_value_of_a_member(server: Victim, value: object, member: str) -> None:
    body = json.dumps({"version": "local/echo", "input": {"text": "hello"}, member: value}).encode()

    clean(server.exchange(request("/v1/predictions", body)))


@some
@given(st.binary(max_size=200))
def test_any_bytes_in_place_of_a_request(server: Victim, data: bytes) -> None:
    with server.wire() as wire:
        wire.send(data, b"\r\n\r\n\0")
        said = wire.answer()

    assert said.status in (0, 400, 404, 405, 408, 414, 415, 431), said
