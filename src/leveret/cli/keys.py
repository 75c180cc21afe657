"""`leveret keys`: API keys, made and revoked where they are kept, or by a gateway that has them."""

from __future__ import annotations

import os
import time
from typing import Annotated, Final, TypeAlias

import typer
from msgspec.structs import replace
from rich.text import Text

from leveret.cli.output import dump, say, tabulate, tell
from leveret.cli.remote import Json
from leveret.cli.stored import do
from leveret.core import keys
from leveret.core.keys import ApiKey
from leveret.core.ports import ApiKeys
from leveret.errors import KeyNotFound
from leveret.gateway import retention
from leveret.gateway.admin.keys import Wanted, make

Id: TypeAlias = Annotated[str, typer.Argument(metavar="ID", help="the id of a key, as `list` shows it")]

_LONGEST: Final = 1e9

app = typer.Typer(
    name="keys", no_args_is_help=True, help="API keys: create, list, revoke, rotate. They are in the store."
)


@app.command()
def create(
    *,
    scope: Annotated[
        list[str], typer.Option(help="read, predict, metrics, admin or worker:owner/name; may be repeated")
    ],
    account: Annotated[str, typer.Option(help="whose key it is")] = "local",
    name: Annotated[str, typer.Option(help="what it is for")] = "",
    expires: Annotated[str | None, typer.Option(help="for how long it can be used, such as 30d")] = None,
    json: Json = False,
) -> None:
    """Make a key and print it, this once."""
    seconds = None if expires is None else retention.seconds(expires, longest=_LONGEST, name="--expires")
    wanted = Wanted(account=account, scopes=scope, name=name, expires_in=seconds)
    key, made = make(wanted, at=time.time(), randomness=os.urandom(keys.SIZE))
    do(lambda store: store.add_key(made))
    _show(key, made, json=json)


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List the keys, oldest first; the keys themselves are known to nobody."""
    found = do(lambda store: store.api_keys())
    if json:
        dump([{name: getattr(one, name) for name in ("id", *_COLUMNS)} for one in found])
    elif found:
        rows = [
            [one.id, one.account, " ".join(one.scopes), one.name, _moment(one.used_at), _moment(one.expires_at)]
            for one in found
        ]
        tabulate(["id", "account", "scopes", "name", "last used", "expires"], rows)
    else:
        say(Text("there are no keys: a gateway that starts now on this machine's own address asks nobody for one"))


@app.command()
def revoke(key_id: Id) -> None:
    """Have a key not be taken any more, within five seconds."""

    async def end(store: ApiKeys) -> None:
        await store.revoke_key((await _found(store, key_id)).digest)

    do(end)
    tell(f"revoked {key_id}")


@app.command()
def rotate(key_id: Id, *, json: Json = False) -> None:
    """Make a key like this one, to last as long, and print it; the old one stays until it is revoked."""

    async def renew(store: ApiKeys) -> tuple[str, ApiKey]:
        old, key, now = await _found(store, key_id), keys.new_key(os.urandom(keys.SIZE)), time.time()
        expires_at = None if old.expires_at is None else now + old.expires_at - old.created_at
        made = replace(old, digest=keys.digest(key), created_at=now, expires_at=expires_at, used_at=None)
        await store.add_key(made)
        return key, made

    key, made = do(renew)
    _show(key, made, json=json)
    say(Text(f"the old one is taken until: leveret keys revoke {key_id}"))


_COLUMNS: Final = ("account", "scopes", "name", "created_at", "expires_at", "used_at")


async def _found(store: ApiKeys, key_id: str) -> ApiKey:
    for key in await store.api_keys():
        if key.id == key_id:
            return key
    raise KeyNotFound(key_id=key_id)


def _show(key: str, made: ApiKey, *, json: bool) -> None:
    if json:
        dump({"key": key, "id": made.id, **{name: getattr(made, name) for name in _COLUMNS}})
        return
    tell(key)
    say(Text(f"id {made.id}, account {made.account}, scopes {' '.join(made.scopes)}; it is not shown again"))


def _moment(at: float | None) -> str:
    return "-" if at is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
