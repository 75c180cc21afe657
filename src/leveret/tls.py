"""TLS: whom we believe, how we show who we are, and what it means when that goes wrong.

Everything that speaks TLS gets its context here: amqps://, rediss://, the gateway, and the clients of a gateway. That a
server's certificate is verified, by its CA, its host name and its dates, cannot be switched off.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from typing import Final, NoReturn

from msgspec import Struct

from leveret.errors import InvalidSetting

_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_UNKNOWN_CA: Final = frozenset({2, 18, 19, 20, 21})
_OTHER_HOST: Final = frozenset({62, 64})
"""OpenSSL's numbers (X509_V_ERR_…) for why it does not believe a certificate."""

_WANTED: Final = frozenset({"TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE"})
_DISBELIEVED: Final = frozenset(
    {
        "TLSV1_ALERT_UNKNOWN_CA",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "TLSV1_ALERT_ACCESS_DENIED",
    }
)
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
_WORD: Final = re.compile(r"\[SSL: (\w+)\]")
"""OpenSSL's words for what the other side has said, or has not."""


class Names(Struct, frozen=True):
    """What the three files are called where they are set, and where that is."""

    ca: str
    certificate: str
    key: str
    source: str = "the settings"


class Files(Struct, frozen=True, kw_only=True):
    """Files in PEM: whom to believe, and who we are. An empty `ca` is the system's, an empty `key` in `certificate`."""

    names: Names
    ca: str = ""
    certificate: str = ""
    key: str = ""

    @property
    def any(self) -> bool:
        """Whether one of them is set."""
        return bool(self.ca or self.certificate or self.key)

    def refuse_plain(self, url: str, *, scheme: str) -> None:
        """Raises InvalidSetting if files are set, and the URL would leave them unused."""
        if self.any and not url.strip().startswith(scheme):
            name = self.names.ca if self.ca else self.names.certificate if self.certificate else self.names.key
            _refuse(self, name, f"it is for TLS, and the URL does not begin with {scheme}; set such a URL, or no files")


BROKER: Final = Names("broker_ca", "broker_certificate", "broker_key")
STORE: Final = Names("store_ca", "store_certificate", "store_key")
GATEWAY: Final = Names("gateway.tls_client_ca", "gateway.tls_certificate", "gateway.tls_key")
CLIENT: Final = Names("ca", "certificate", "key", "the client or LEVERET_CA, LEVERET_CERTIFICATE and LEVERET_KEY")

NO_BROKER_FILES: Final = Files(names=BROKER)
NO_STORE_FILES: Final = Files(names=STORE)


def to_server(files: Files) -> ssl.SSLContext:
    """How a client talks TLS: it believes the CA, or else what the system does. Raises InvalidSetting."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which verifies the certificate and its host name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.ca:
        _believe(context, files)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if files.certificate or files.key:
        _show(context, files)
    return context


def to_clients(files: Files) -> ssl.SSLContext | None:
    """How a server talks TLS; None: not at all. With a CA, clients need a certificate of it. Raises InvalidSetting."""
    if not files.any:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _show(context, files)
    if files.ca:
        _believe(context, files)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def unread(url: str, error: Exception) -> str:
    """Why a URL cannot be read; where it has a password, without what may be a part of that."""
    if "@" not in url:
        return str(error)
    return "it cannot be read as a URL; in a user's name and password, write / as %2F, @ as %40, : as %3A and % as %25"


def explained(error: BaseException, names: Names) -> str:
    """What a failure of TLS means and what to do about it; empty if the error is no such thing."""
    causes = list(_chain(error))
    for one in causes:
        if isinstance(one, ssl.SSLCertVerificationError):
            return _doubt(one, names)
    said = {word for one in causes for word in _WORD.findall(str(one))}
    if said & _WANTED:
        return f"it wants a certificate of this client: set {names.certificate} and {names.key}"
    if said & _DISBELIEVED:
        words = ", ".join(sorted(said & _DISBELIEVED)).lower().replace("_", " ")
        return f"it does not believe the certificate in {names.certificate} ({words}): have its CA sign one"
    if said & _NO_TLS:
        return "it does not speak TLS at this port: check the port, or turn TLS on there"
    return ""


def _doubt(error: ssl.SSLCertVerificationError, names: Names) -> str:
    if error.verify_code in _OTHER_HOST:
        return f"its certificate is for another host ({error.verify_message}): use the name that is in the certificate"
    if error.verify_code == _EXPIRED:
        return "its certificate has expired: renew it there, and check this machine's clock"
    if error.verify_code == _NOT_YET_VALID:
        return "its certificate is not valid yet: check this machine's clock"
    if error.verify_code in _UNKNOWN_CA:
        return f"nobody believed has signed its certificate ({error.verify_message}): set {names.ca} to its CA's file"
    return f"its certificate is not believed ({error.verify_message}): check it there"


def _believe(context: ssl.SSLContext, files: Files) -> None:
    try:
        context.load_verify_locations(cafile=files.ca)
    except (OSError, ValueError) as error:
        _refuse(files, files.names.ca, f"{files.ca} cannot be used as a CA ({error}); it has to be a file in PEM")


def _show(context: ssl.SSLContext, files: Files) -> None:
    names = files.names
    if not files.certificate:
        _refuse(files, names.certificate, f"it is empty, and {names.key if files.key else names.ca} is not; set both")
    try:
        context.load_cert_chain(files.certificate, files.key or None, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        where = f"{files.certificate} and {files.key}" if files.key else files.certificate
        reason = f"{where} cannot be used ({error}); it has to be a certificate in PEM, and its key without a password"
        _refuse(files, names.certificate, reason)


def _no_password() -> str:
    """OpenSSL would ask at the terminal."""
    raise ValueError("the key has a password")


def _refuse(files: Files, name: str, reason: str) -> NoReturn:
    raise InvalidSetting(name=name, source=files.names.source, reason=reason)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error with all that has led to it; pika keeps them in places of its own."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [one.__cause__, one.__context__, getattr(one, "exception", None), *one.args]
        inner += getattr(one, "exceptions", ())
        waiting += [cause for cause in inner if isinstance(cause, BaseException)]
