"""The signature of webhooks, by the test vector that Standard Webhooks and Replicate's clients share."""

from __future__ import annotations

import pytest

from leveret.core.signature import SECRET_SIZE, TOLERANCE, headers, new_secret, verify
from leveret.errors import BadSignature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
AT = 1614265330.0
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": SIGNATURE,
}


def test_the_test_vector_of_the_official_clients_is_met() -> None:
    signed = headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        webhook_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at=1614265330,
        body=b'{"test": 2432232314}',
    )

    assert {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    } == signed


def test_a_secret_is_padded_and_has_one_underscore_whatever_its_bytes_are() -> None:
    for byte in range(256):
        prefix, _, rest = new_secret(bytes([byte]) * SECRET_SIZE).partition("_")

        assert ("whsec", 44, "=") == (prefix, len(rest), rest[-1])
        assert not set(rest) & set("_-")


@pytest.mark.parametrize("signatures", [SIGNATURE, f"v1,b2xk {SIGNATURE}", f"v1a,{SIGNATURE[3:]} {SIGNATURE}"])
@pytest.mark.parametrize("now", [AT, AT + TOLERANCE, AT - TOLERANCE])
def test_a_right_signature_among_others_is_enough(signatures: str, now: float) -> None:
    verify(SECRET, {**HEADERS, "webhook-signature": signatures}, BODY, now=now)


@pytest.mark.parametrize("now", [AT + TOLERANCE + 1, AT - TOLERANCE - 1])
def test_what_was_signed_long_ago_is_not_believed(now: float) -> None:
    with pytest.raises(BadSignature, match="too old"):
        verify(SECRET, HEADERS, BODY, now=now)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_other"},
        {"webhook-timestamp": "1614265331"},
        {"webhook-timestamp": "١٦١٤٢٦٥٣٣٠"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-signature": SIGNATURE[3:]},
        {"webhook-signature": f"v1a,{SIGNATURE[3:]}"},
        {"webhook-signature": SIGNATURE[:-1]},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": " "},
        *({name: ""} for name in HEADERS),
    ],
)
def test_whatever_is_changed_is_not_believed(changed: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        verify(SECRET, HEADERS | changed, BODY, now=AT)


def test_another_body_is_not_believed() -> None:
    with pytest.raises(BadSignature):
        verify(SECRET, HEADERS, BODY + b" ", now=AT)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2VjcmV0c2VjcmV0c2VjcmV0", "whsec_?"])
def test_another_secret_or_none_believes_nothing(secret: str) -> None:
    with pytest.raises(BadSignature):
        verify(secret, HEADERS, BODY, now=AT)
