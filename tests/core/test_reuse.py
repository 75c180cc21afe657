from __future__ import annotations

import json

import pytest
from msgspec import Raw
from msgspec.structs import replace

from leveret.core import references
from leveret.core.prediction import Blob, Prediction
from leveret.core.references import Reference
from leveret.core.reuse import Defaults, key

DEFAULTS = Defaults(b'{"type":"object","properties":{"text":{"type":"string"},"times":{"default":1}}}')


def asking(given: object, **changed: str) -> Prediction:
    content = Raw(json.dumps(given).encode())
    return replace(Prediction(id="p1", model="local/echo", version="v1", input=content, created_at=1.0), **changed)


@pytest.mark.parametrize("same", [{"times": 1, "text": "a"}, {"text": "a", "times": 1}, {"text": "a"}])
def test_the_order_and_what_is_left_out_make_no_difference(same: object) -> None:
    assert key(asking({"text": "a", "times": 1}), DEFAULTS) == key(asking(same, id="p2"), DEFAULTS)


@pytest.mark.parametrize(
    "other",
    [
        asking({"text": "b"}),
        asking({"text": "a", "times": 2}),
        asking({"text": "a"}, account="bob"),
        asking({"text": "a"}, version="v2"),
        asking({"text": "a"}, model="local/echo2"),
    ],
)
def test_another_input_account_or_version_is_another_key(other: Prediction) -> None:
    assert key(asking({"text": "a"}), DEFAULTS) != key(other, DEFAULTS)


def test_a_file_counts_by_its_content_and_not_by_where_it_is() -> None:
    def file(place: str, sha256: str) -> str:
        return references.write(Reference(Blob(f"files/{place}", 3, sha256 * 64, "a/b"), place))

    one, other, changed = [asking({"text": file(*about)}) for about in (("a", "0"), ("b", "0"), ("a", "1"))]

    assert key(one, DEFAULTS) == key(other, DEFAULTS) != key(changed, DEFAULTS)


@pytest.mark.parametrize("given", [[1], "a", None])
def test_what_is_no_object_is_the_same_as_nothing(given: object) -> None:
    assert key(asking(given), DEFAULTS) is None
