"""JSON Schema as components of OpenAPI."""

from __future__ import annotations

from msgspec import Raw

from leveret.gateway.schemas import components, unrolled

COLOUR = b'{"enum":["red","blue"]}'


def test_definitions_stand_beside_the_schema_and_references_find_them() -> None:
    schema = b'{"type":"object","properties":{"c":{"$ref":"#/$defs/Colour"}},"$defs":{"Colour":%s}}' % COLOUR

    assert {
        "Input": {"type": "object", "properties": {"c": {"$ref": "#/components/schemas/Input.Colour"}}},
        "Input.Colour": {"enum": ["red", "blue"]},
    } == components({"Input": Raw(schema)})


def test_definitions_of_the_same_name_do_not_meet() -> None:
    one = b'{"$ref":"#/$defs/T","$defs":{"T":{"type":"string"}}}'
    other = b'{"$ref":"#/definitions/T","definitions":{"T":{"type":"integer"}}}'

    found = components({"Input": Raw(one), "Output": Raw(other)})

    assert {"$ref": "#/components/schemas/Output.T"} == found["Output"]
    assert [{"type": "string"}, {"type": "integer"}] == [found["Input.T"], found["Output.T"]]


def test_references_between_definitions_and_in_discriminators_are_followed() -> None:
    schema = (
        b'{"oneOf":[{"$ref":"#/$defs/Cat"}],"discriminator":{"propertyName":"kind","mapping":{"cat":"#/$defs/Cat"}},'
        b'"$defs":{"Cat":{"properties":{"fur":{"$ref":"#/$defs/Colour"}}},"Colour":%s}}' % COLOUR
    )

    found = components({"Input": Raw(schema)})

    cat = "#/components/schemas/Input.Cat"
    assert {
        "oneOf": [{"$ref": cat}],
        "discriminator": {"propertyName": "kind", "mapping": {"cat": cat}},
    } == found["Input"]
    assert {"properties": {"fur": {"$ref": "#/components/schemas/Input.Colour"}}} == found["Input.Cat"]


def test_names_have_only_the_letters_that_components_may_have() -> None:
    found = components({"Input": Raw(b'{"$ref":"#/$defs/Box[a~1b]","$defs":{"Box[a/b]":{}}}')})

    assert {"Input": {"$ref": "#/components/schemas/Input.Box_a_b_"}, "Input.Box_a_b_": {}} == found


def test_the_root_refers_to_itself_by_its_name() -> None:
    found = components({"Input": Raw(b'{"properties":{"inner":{"$ref":"#"}}}')})

    assert {"Input": {"properties": {"inner": {"$ref": "#/components/schemas/Input"}}}} == found


def test_a_reference_to_elsewhere_is_left_out() -> None:
    found = components({"Input": Raw(b'{"items":{"$ref":"https://example.com/x","title":"X"}}')})

    assert {"Input": {"items": {"title": "X"}}} == found


def test_a_schema_that_is_only_true_or_false_stays_so() -> None:
    assert {"Input": True} == components({"Input": Raw(b"true")})


def test_members_that_look_like_references_but_are_properties_stay() -> None:
    schema = b'{"properties":{"$ref":{"type":"string"},"mapping":{"type":"object"}}}'

    assert {"Input": {"properties": {"$ref": {"type": "string"}, "mapping": {"type": "object"}}}} == components(
        {"Input": Raw(schema)}
    )


def test_circles_are_opened_where_they_close() -> None:
    schema = (
        b'{"$ref":"#/$defs/A","$defs":{"A":{"properties":{"b":{"$ref":"#/$defs/B"},"a":{"$ref":"#/$defs/A"}}},'
        b'"B":{"items":{"$ref":"#/$defs/A"}}}}'
    )

    assert {
        "Input": {"$ref": "#/components/schemas/Input.A"},
        "Input.A": {"properties": {"b": {"$ref": "#/components/schemas/Input.B"}, "a": {}}},
        "Input.B": {"items": {}},
    } == unrolled(components({"Input": Raw(schema)}))


def test_what_is_used_twice_is_no_circle() -> None:
    schema = b'{"items":{"$ref":"#/$defs/A"},"not":{"$ref":"#/$defs/A"},"$defs":{"A":{}}}'

    found = components({"Input": Raw(schema)})

    assert found == unrolled(found)
