"""``cgtune schema``: each JSON Schema is printed whole, and says the same as the files that the others are held against."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest

import cgtune
from cgtune.commands.schema import list_schemas
from cgtune.outputs.predict import render_predict_json
from tests.support import inside
from tests.support.command import ROOT

NAMES = list_schemas()


def whole(name: str) -> Any:
    """The schema as it is printed."""
    done = inside.run("schema", name)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_each_file_is_offered() -> None:
    """Without a name: each schema in a line, with what its documents say of themselves and one sentence."""
    assert {f"{name}.schema.json" for name in NAMES} == {path.name for path in (ROOT / "cgtune/schemas").iterdir()}
    said = inside.run("schema").stdout.splitlines()
    assert re.fullmatch(
        r"report-v1 +cgtune/report/v1 +What cgtune inspect --format json prints", next(line for line in said if "report" in line)
    )
    assert len(said) == len(NAMES) + 2


@pytest.mark.parametrize("name", NAMES)
def test_no_reference_leads_out(name: str) -> None:
    """It is a valid schema, and each of its references leads to something inside."""
    schema = whole(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == f"cgtune/{name.replace('-', '/')}"
    for reference in re.findall(r'"\$ref": "([^"]*)"', json.dumps(schema)):
        assert reference.startswith("#/")
        node = schema
        for key in reference.removeprefix("#/").split("/"):
            node = node[key]
        assert node


def test_what_is_put_in_is_held() -> None:
    """A prediction is valid by the schema that is printed, and what the report's schema forbids in it is not."""
    document = json.loads(render_predict_json(cgtune.predict(cpu_limit="0.5", memory_limit="64Mi", cpus=8)))
    schema = whole("predict")
    jsonschema.validate(document, schema, jsonschema.Draft202012Validator)
    document["rows"][0]["settings"]["GOMAXPROCS"]["derived"] = "many"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema, jsonschema.Draft202012Validator)


def test_a_schema_by_each_of_its_names() -> None:
    """Without a version the newest, with it, and as a document names it; what there is not is one line that says what there is."""
    assert whole("report") == whole("report-v1") == whole("cgtune/report/v1")
    done = inside.run("schema", "rapport")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("cgtune: no schema 'rapport'; there are fleet-v1, ")
