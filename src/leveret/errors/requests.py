"""What is wrong with a request."""

from __future__ import annotations

from leveret.errors.root import LeveretError


class BadRequest(LeveretError):
    """The request cannot be understood as it is."""

    code = "bad_request"
    status = 400
    message = "the request is not valid: {reason}"


class MalformedJson(BadRequest):
    """The body is not JSON."""

    code = "malformed_json"
    message = "the body is not valid JSON ({reason}); send an object with the content type application/json"


class InvalidRequest(BadRequest):
    """The body is JSON but not of the expected form, or a parameter has a wrong value."""

    code = "invalid_request"
    status = 422


class InvalidInput(BadRequest):
    """The input does not fit the model's schema; `errors`, if there, lists every place, each with its path."""

    code = "invalid_input"
    status = 422
    message = "the input does not fit the schema of {model}: {summary}"


class BodyTooLarge(BadRequest):
    """The body is larger than this gateway takes."""

    code = "body_too_large"
    status = 413
    message = "the body is larger than the {limit} bytes this gateway takes; send less, or raise {setting}"


class HeadTooLarge(BadRequest):
    """The address, the headers or the trailers of the request are more than this gateway takes."""

    code = "head_too_large"
    status = 431
    message = "the request has more than {limit} bytes, or too many lines, of headers; send fewer and shorter ones"


class UrlTooLong(BadRequest):
    """The address in the request is longer than this gateway takes."""

    code = "url_too_long"
    status = 414
    message = "the address is longer than {limit} bytes; send what is long in the body"


class RequestTimeout(BadRequest):
    """The request has not come in time."""

    code = "request_timeout"
    status = 408
    message = "the {part} of the request did not come in time; send it again, without pauses"


class UnsupportedEncoding(BadRequest):
    """The body is compressed, or coded in another way."""

    code = "unsupported_encoding"
    status = 415
    message = "this gateway takes no body that is coded as {encoding!r}; send it as it is, and not compressed"


class TooDeep(BadRequest):
    """The JSON of the body is nested more deeply than this gateway takes."""

    code = "too_deep"
    status = 413
    message = "the body is nested more than {limit} levels deep; send it flatter, or raise limits.depth"


class LinkRefused(BadRequest):
    """The link to a file is not one of ours, or no longer."""

    code = "link_refused"
    status = 403
    message = "this link is not genuine, or it has expired; GET what it came from again for a new one"


class MethodNotAllowed(BadRequest):
    """The endpoint exists but not for this method."""

    code = "method_not_allowed"
    status = 405
    message = "{method} is not possible here; GET /openapi.json lists the methods of every endpoint"


class InvalidIdempotencyKey(BadRequest):
    """The header Idempotency-Key names no key."""

    code = "invalid_idempotency_key"
    message = 'the header Idempotency-Key is not valid: {reason}; send one key such as "8e03978e-40d5", quoted or not'


class IdempotencyMismatch(BadRequest):
    """The same Idempotency-Key was used for another request before."""

    code = "idempotency_mismatch"
    status = 422
    message = "this Idempotency-Key was used for another request before; use a new key for each prediction"


class UrlForbidden(BadRequest):
    """A URL that this server does not call."""

    code = "url_forbidden"
    status = 422
    message = "this server does not call that URL: {reason}"


class UpgradeRequired(BadRequest):
    """The endpoint is a socket, and the request did not ask for one."""

    code = "upgrade_required"
    status = 426
    message = "{path} is a WebSocket; connect with a client for these, and let proxies pass on the header Upgrade"


class TooManyWatches(BadRequest):
    """A connection watches as many predictions as it may."""

    code = "too_many_watches"
    status = 429
    message = "this connection watches {limit} predictions, as many as it may; unwatch some, or open another one"


class Unauthenticated(BadRequest):
    """There is no API key in the request, or none that is known, valid and not revoked."""

    code = "unauthenticated"
    status = 401
    message = "{reason}; send an API key as `Authorization: Bearer lv_…` (`leveret keys create` makes one)"


class OriginRefused(BadRequest):
    """A page of somebody else asks a gateway that asks nobody for a key, or it is asked by a name that is not known."""

    code = "origin_refused"
    status = 403
    message = (
        "this gateway asks for no key, so it answers neither pages from elsewhere nor at a name that it does not know, "
        "and {origin} is one; ask at 127.0.0.1, set gateway.base_url to its address, or make a key with "
        "`leveret keys create`"
    )


class ScopeMissing(BadRequest):
    """The API key may not do this."""

    code = "scope_missing"
    status = 403
    message = "this API key does not have the scope `{scope}`; use one that has, or have one made with it"


class KeyNotFound(BadRequest):
    """No API key is called so."""

    code = "key_not_found"
    status = 404
    message = "there is no API key {key_id!r}; `leveret keys list` shows them"
