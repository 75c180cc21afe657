"""Roles: what a process is there for, from which it follows what it has to be allowed."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Role(StrEnum):
    """What a process, or somebody, is there for."""

    GATEWAY = "gateway"
    WORKER = "worker"
    SERVE = "serve"
    PRODUCER = "producer"
    PROVISION = "provision"


class Duties(Struct, frozen=True):
    """A role, for which models (all, if there are none), and whether a worker sends replies itself."""

    role: Role
    models: tuple[str, ...] = ()
    replies: bool = True

    @property
    def accepts(self) -> bool:
        """Whether it takes predictions from clients, and looks after what is kept."""
        return self.role in {Role.GATEWAY, Role.SERVE}

    @property
    def runs(self) -> bool:
        """Whether it runs models."""
        return self.role in {Role.WORKER, Role.SERVE}

    @property
    def answers(self) -> bool:
        """Whether it sends replies to those who have asked over AMQP."""
        return self.accepts or (self.runs and self.replies)

    @property
    def stores(self) -> bool:
        """Whether it needs the store."""
        return self.accepts or self.runs
