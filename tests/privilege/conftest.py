"""RabbitMQ and Redis by TLS, with the users that `leveret permissions` makes for a deployment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.privilege.deployment import Deployment, deployed
from tests.tls.papers import Papers


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(Papers(tmp_path_factory.mktemp("papers"))) as running:
        yield running
