"""A CA made on the spot, and what it signs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import trustme

HOST: Final = "localhost"


class Papers:
    """The files of one CA in a folder; a certificate and its key are in one file, and in two as well."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._ca = trustme.CA()
        self.ca = str(folder / f"{name}.pem")
        self._ca.cert_pem.write_to_path(self.ca)

    def sign(self, name: str, *hosts: str, expired: bool = False) -> str:
        """A file with a certificate for these hosts, and its key."""
        now = datetime.now(UTC)
        dates = (now - timedelta(days=9), now - timedelta(days=1)) if expired else (None, None)
        leaf = self._ca.issue_cert(*(hosts or (HOST,)), common_name=name, not_before=dates[0], not_after=dates[1])
        whole = self._folder / f"{name}.pem"
        leaf.private_key_and_cert_chain_pem.write_to_path(str(whole))
        leaf.private_key_pem.write_to_path(self.key(str(whole)))
        return str(whole)

    def key(self, certificate: str) -> str:
        """The file with the key alone."""
        return certificate.removesuffix(".pem") + "-key.pem"
