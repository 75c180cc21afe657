from __future__ import annotations

from leveret.core.signature import SECRET_SIZE, headers, new_secret


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
