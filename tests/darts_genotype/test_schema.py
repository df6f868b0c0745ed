"""The published schema says what the reader does, as far as a schema can."""

import copy
import json
import random
from pathlib import Path

import jsonschema
import pytest

from darts_genotype import json_form
from darts_genotype.fields import FIELDS
from darts_genotype.genotype import MAX_NODES, NUM_INPUTS, Edge, Genotype, GenotypeError
from darts_genotype.primitives import PRIMITIVES

DOCS = Path(__file__).parents[2] / "docs/reference"
SCHEMA = json.loads((DOCS / "genotype.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

NODE = (Edge("skip_connection", 0), Edge("max_pooling_3x3", 1))
DOCUMENT = json_form.document(Genotype(normal=(NODE, NODE), reduce=(NODE, NODE)))


def reads(document):
    try:
        json_form.read(json.dumps(document))
    except GenotypeError:
        return False
    return True


def test_it_is_a_schema_of_the_version_the_fields_and_the_operations_that_are_written():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["version"]["enum"] == [1, json_form.VERSION]
    assert SCHEMA["required"] == list(SCHEMA["properties"]) == ["version", *FIELDS]
    assert tuple(SCHEMA["$defs"]["edge"]["prefixItems"][0]["enum"]) == PRIMITIVES
    assert SCHEMA["$defs"]["cell"]["maxItems"] == SCHEMA["$defs"]["inner_nodes"]["maxItems"] == MAX_NODES
    assert SCHEMA["$defs"]["nodes"]["maxItems"] == NUM_INPUTS + MAX_NODES


def test_what_is_written_is_valid(random_genotype):
    numbers = random.Random(0)
    largest = Genotype(normal=(NODE,) * MAX_NODES, reduce=())
    for genotype in [largest, *(random_genotype(numbers) for _ in range(50))]:
        document = json.loads(json_form.write(genotype))
        VALIDATOR.validate(document)
        VALIDATOR.validate(document | {"seed": 1})


def change(path, value):
    document = copy.deepcopy(DOCUMENT)
    *parents, last = path
    place = document
    for key in parents:
        place = place[key]
    place[last] = value
    return document


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        *({name: value for name, value in DOCUMENT.items() if name != missing} for missing in DOCUMENT),
        change(["version"], 3),
        change(["version"], 0),
        change(["version"], "1"),
        change(["version"], True),
        change(["normal"], []),
        change(["normal"], "cells"),
        change(["normal"], [[["skip_connection", 0], ["skip_connection", 1]]] * (MAX_NODES + 1)),
        change(["reduce"], {}),
        change(["normal", 1], []),
        change(["normal", 1], [["skip_connection", 0]]),
        change(["reduce", 0], "ab"),
        change(["normal", 1, 0], ["skip_connection"]),
        change(["normal", 1, 0], ["skip_connection", 0, 0]),
        change(["normal", 1, 0, 0], "none"),
        change(["normal", 1, 0, 0], "sep_conv_3x3"),
        change(["normal", 1, 0, 1], "0"),
        change(["normal", 1, 0, 1], -1),
        change(["normal", 1, 0, 1], 0.5),
        change(["normal", 1, 0, 1], True),
        change(["normal_concat"], []),
        change(["normal_concat"], 2),
        change(["reduce_concat"], [1, 2]),
        change(["reduce_concat"], ["2", "3"]),
        change(["version"], 2) | {"reduce_concat": [2, 2, 3]},
        change(["version"], 2) | {"reduce_concat": [2, 3, 66]},
        change(["version"], 2) | {"reduce_concat": [-1, 2, 3]},
    ],
)
def test_what_it_refuses_the_reader_refuses(document):
    assert not VALIDATOR.is_valid(document)
    assert not reads(document)


@pytest.mark.parametrize(
    "document",
    [
        change(["normal", 1, 0, 1], 3),
        change(["normal", 1, 0, 1], 1),
        change(["normal_concat"], [2]),
        change(["reduce"], DOCUMENT["reduce"][:1]),
    ],
    ids=["a later node", "one source twice", "not all nodes", "fewer nodes"],
)
def test_what_no_schema_can_say_the_reader_refuses_too(document):
    VALIDATOR.validate(document)
    assert not reads(document)


def test_the_example_of_the_reference_is_read():
    text = (DOCS / "genotype.md").read_text()
    example = text.partition("```json\n")[2].partition("```")[0]
    VALIDATOR.validate(json.loads(example))
    assert json_form.read(example).num_nodes == 2
    assert [operation for operation in PRIMITIVES if f"`{operation}`" not in text] == []
