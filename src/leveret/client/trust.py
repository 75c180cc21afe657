"""Trust: which gateway a client believes, and how it shows who it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from ssl import SSLContext
from typing import TypeAlias

import httpx2
from msgspec import Struct

from leveret import tls
from leveret.errors import CertificateRefused

Certificate: TypeAlias = str | tuple[str, str]
"""A file with a certificate and its key, or a file for each."""


class Trust(Struct, frozen=True):
    """Files for TLS with the gateway alone; every other host is judged as the system does."""

    files: tls.Files

    @classmethod
    def found(cls, *, ca: str | None, certificate: Certificate | None) -> Trust:
        """As the arguments say, or else the environment."""
        match certificate:
            case (str(shown), str(key)):
                pass
            case str(shown):
                key = ""
            case _:
                shown, key = os.environ.get("LEVERET_CERTIFICATE", ""), os.environ.get("LEVERET_KEY", "")
        ca = ca or os.environ.get("LEVERET_CA", "")
        return cls(tls.Files(names=tls.CLIENT, ca=ca, certificate=shown, key=key))

    def mounts(self, url: str) -> Mapping[str, httpx2.HTTPTransport]:
        """What carries requests to this gateway, in place of the default. Raises InvalidSetting."""
        return {where: httpx2.HTTPTransport(verify=context) for where, context in self._contexts(url).items()}

    def async_mounts(self, url: str) -> Mapping[str, httpx2.AsyncHTTPTransport]:
        """The same for an event loop."""
        return {where: httpx2.AsyncHTTPTransport(verify=context) for where, context in self._contexts(url).items()}

    def _contexts(self, url: str) -> Mapping[str, SSLContext]:
        self.files.refuse_plain(url, scheme="https://")
        if not self.files.any:
            return {}
        home = httpx2.URL(url)
        return {f"https://{home.netloc.decode()}": tls.to_server(self.files)}


def refuse(error: httpx2.HTTPError) -> None:
    """Raises CertificateRefused if that is what the error means: to try again would change nothing."""
    reason = tls.explained(error, tls.CLIENT)
    if reason:
        raise CertificateRefused(host=error.request.url.netloc.decode(), reason=reason) from error


def ended_early(error: httpx2.HTTPError) -> str:
    """A hint, if a server by TLS has hung up: that is all that some say to a client whose certificate they miss."""
    if error.request.url.scheme == "https" and isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError):
        return f"; if it wants a certificate of its clients, set {tls.CLIENT.certificate} to one that its CA has signed"
    return ""
