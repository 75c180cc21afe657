"""Reuse: by what it is known that two predictions ask for the same."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Raw

from leveret.core import references
from leveret.core.places import Json
from leveret.core.prediction import Prediction
from leveret.core.references import Reference

_encoder: Final = msgspec.json.Encoder(order="sorted")


class Defaults:
    """What the inputs of a model are that an input leaves out."""

    def __init__(self, schema: Raw | bytes) -> None:
        tree = msgspec.json.decode(schema)
        members = tree.get("properties") if isinstance(tree, dict) else None
        self.values: Mapping[str, Json] = {
            name: member["default"]
            for name, member in (members.items() if isinstance(members, dict) else [])
            if isinstance(member, dict) and "default" in member
        }


def key(prediction: Prediction, defaults: Defaults) -> str | None:
    """The same for all predictions of an account that ask the same version of a model for the same: `model:digest`.

    Files count by their content as far as it is known here, by their URL otherwise. None if the input is no object.
    """
    blob = prediction.input_blob
    if blob is not None:
        content = blob.sha256.encode()
    else:
        try:
            given = msgspec.json.decode(references.replaced(prediction.input, _content))
        except msgspec.MsgspecError:
            return None
        if not isinstance(given, dict):
            return None
        content = _encoder.encode({**defaults.values, **given})
    digest = sha256()
    for part in (prediction.account, prediction.model, prediction.version):
        digest.update(f"{len(part)} {part} ".encode())
    digest.update(content)
    return f"{prediction.model}:{digest.hexdigest()}"


def _content(reference: Reference) -> str:
    return f"sha256:{reference.blob.sha256}"
