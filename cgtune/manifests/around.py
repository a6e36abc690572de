"""What stands around a document: the ConfigMaps and Secrets of the same input, the files beside it, the node if somebody named it. Pure.

The input is gone through twice: ``collect`` first, for a ConfigMap may stand behind the container that refers to it. Only documents that
name such a kind are parsed for it. Of each only short values are kept: a setting is short.
"""

from __future__ import annotations

from cgtune.manifests.autoscalers import KIND as AUTOSCALER, read_autoscaler
from cgtune.manifests.places import ALONE
from cgtune.manifests.streams import split_parts
from cgtune.manifests.yamltext import Document, entries, find, parse_part, split_list, text_of, value_of
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Literal

    from cgtune.manifests.autoscalers import Autoscaler
    from cgtune.manifests.places import Beside
    from cgtune.manifests.workload import Place

    ConfigKind = Literal["ConfigMap", "Secret"]

_MOST_LETTERS = 4096
_COLLECTED = ("ConfigMap", "Secret", AUTOSCALER)
_KIND = rf"""\bkind["']?[ \t]*:[ \t]*["']?(?:{"|".join(_COLLECTED)})\b"""


class ConfigValue(Record):
    """One value of a ConfigMap or Secret. ``value`` None: ``unknown`` says why. ``place`` None: it is encoded where it stands."""

    value: str | None
    unknown: str | None
    place: Place | None
    key_place: Place


class Config(Record):
    """A ConfigMap or Secret of the input."""

    file: str
    values: dict[str, ConfigValue]


class Around:
    """What the readers of one run share. ``node_cores`` and ``node_memory_bytes`` are the node's allocatable, None: not known."""

    def __init__(self, *, node_cores: float | None = None, node_memory_bytes: int | None = None, beside: Beside = ALONE) -> None:
        self.node_cores, self.node_memory_bytes, self.beside = node_cores, node_memory_bytes, beside
        self._configs: dict[tuple[str, str | None, str], list[Config]] = {}
        self._autoscalers: dict[tuple[str, str | None, str], Autoscaler] = {}

    def collect(self, file: str, text: str | Iterable[str]) -> None:
        """Keep the settings of a file's ConfigMaps and Secrets. All files of a run come here before the first is read."""
        import re

        kind = re.compile(_KIND)
        for part in split_parts(file, text):
            if any(word in part.text for word in _COLLECTED) and kind.search(part.text):
                for document in parse_part(part):
                    if isinstance(document, Document):
                        for root in split_list(document.root):
                            self._collect(document, root)

    def config(self, kind: ConfigKind, namespace: str | None, name: str, file: str) -> Config | str:
        """The ConfigMap or Secret of that name; in words what is wrong if there is none, or more than one that differ.

        One in the same file counts more than others: folders hold several variants of one application.
        """
        found = self._configs.get((kind, namespace, name), [])
        found = [one for one in found if one.file == file] or found
        if not found:
            return f"{kind} {name}, which is not in the input"
        meanings = [{key: value.value for key, value in one.values.items()} for one in found]
        return found[-1] if all(one == meanings[0] for one in meanings) else f"{kind} {name}, which the input holds more than once"

    def autoscaler(self, kind: str, namespace: str | None, name: str) -> Autoscaler | None:
        """The VerticalPodAutoscaler that changes limits of this object's containers while they run; None if there is none."""
        return self._autoscalers.get((kind, namespace, name))

    def _collect(self, document: Document, root: Any) -> None:
        kind = text_of(find(root, "kind"))
        if kind == AUTOSCALER:
            if (found := read_autoscaler(document, root)) is not None:
                self._autoscalers[found[0]] = found[1]
            return
        name = text_of(find(root, "metadata", "name"))
        if kind not in ("ConfigMap", "Secret") or name is None:
            return
        values: dict[str, ConfigValue] = {}
        for key, key_node, node in entries(find(root, "data")):
            values[key] = _read_value(document, key_node, node, is_encoded=kind == "Secret")
        for key, key_node, node in entries(find(root, "stringData")) if kind == "Secret" else ():
            values[key] = _read_value(document, key_node, node, is_encoded=False)
        place = (kind, text_of(find(root, "metadata", "namespace")), name)
        self._configs.setdefault(place, []).append(Config(file=document.file, values=values))


def _read_value(document: Document, key_node: Any, node: Any, *, is_encoded: bool) -> ConfigValue:
    read = value_of(node)
    value, unknown = read if isinstance(read, str) else None, None
    if read is None and node.id == "scalar":
        value = ""  # null
    elif value is None:
        unknown = "it is no text there, which the API refuses"
    elif len(value) > _MOST_LETTERS:
        value, unknown = None, f"it is longer than {_MOST_LETTERS} letters there"
    elif is_encoded:
        value, unknown = _decode(value)
    place = None if is_encoded else document.place(node)
    return ConfigValue(value=value, unknown=unknown, place=place, key_place=document.place(key_node))


def _decode(text: str) -> tuple[str | None, str | None]:
    """Returns (the text that base64 stands for, why it is not known)."""
    from base64 import b64decode

    try:
        return b64decode("".join(text.split()), validate=True).decode(), None
    except ValueError:
        return None, "it is no text in base64 there"
