"""The JSON Schemas of what cgtune prints, each whole: what one takes from another is put into it."""

from __future__ import annotations

import os

from cgtune.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "schemas")
_ENDING = ".schema.json"


def render_schemas() -> str:
    """The name of each schema, what its documents call it, and the first sentence about it."""
    rows = [(name, _read_schema(name)) for name in list_schemas()]
    width = max(len(name) for name, _ in rows)
    lines = [
        f"{name:{width}}  {schema['title']:{width + 10}}  {schema['description'].partition('. ')[0].rstrip('.')}" for name, schema in rows
    ]
    return "\n".join([*lines, "", "cgtune schema NAME prints one of them.", ""])


def render_schema(name: str) -> str:
    """One schema, by its name (report), with its version (report-v1), or as its documents have it (cgtune/report/v1). Raises UsageError."""
    import json

    wanted = name.removeprefix("cgtune/").replace("/", "-")
    found = next((one for one in reversed(list_schemas()) if wanted in (one, one.rpartition("-")[0])), None)
    if found is None:
        raise UsageError(f"no schema {name[:60]!r}; there are {', '.join(list_schemas())}")
    return json.dumps(_joined(_read_schema(found)), indent=1, ensure_ascii=True) + "\n"


def list_schemas() -> list[str]:
    """Their names with versions, sorted."""
    return sorted(file.removesuffix(_ENDING) for file in os.listdir(_FOLDER) if file.endswith(_ENDING))


def _read_schema(name: str) -> dict[str, Any]:
    import json

    with open(os.path.join(_FOLDER, name + _ENDING), encoding="utf-8") as file:
        schema: dict[str, Any] = json.load(file)
    return schema


def _joined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with those that it refers to, each as one of its definitions, and every reference inside."""
    taken: dict[str, Any] = {}

    def inside(node: Any, own: str) -> Any:
        if isinstance(node, list):
            return [inside(each, own) for each in node]
        if not isinstance(node, dict):
            return node
        return {key: refer(value, own) if key == "$ref" else inside(value, own) for key, value in node.items()}

    def refer(reference: str, own: str) -> str:
        other, _, path = reference.partition("#")
        if not other:
            return f"#{own}{path}"
        name = "-".join(other.split(":")[2:])  # urn:cgtune:report:v1
        if name not in taken:
            taken[name] = {}  # so that two schemas may refer to each other
            taken[name] |= {
                key: value for key, value in inside(_read_schema(name), f"/$defs/{name}").items() if key not in ("$id", "$schema")
            }
        return f"#/$defs/{name}{path}"

    whole: dict[str, Any] = inside(schema, "")
    return whole | {"$defs": whole.get("$defs", {}) | taken} if taken else whole
