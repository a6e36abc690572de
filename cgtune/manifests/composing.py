"""PyYAML's readers, bounded. Dear to import: inside of functions alone. Pure.

PyYAML calls two methods of its own for each node that it composes (the path resolvers, which nobody uses) and a third for the tag of what
has none. Here they bound the depth, exactly and for nothing, and leave what a plain scalar means to ``scalars``. Not covered: a stream
of several documents, which ``yamltext`` splits.
"""

from __future__ import annotations

import yaml

from cgtune.manifests.scalars import PLAIN, TEXT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from yaml import SafeLoader as _Base
else:
    _Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_MOST_DEPTH = 100  # no manifest nests so deep, and libyaml's composer recurses in C: without a bound a hostile file ends the interpreter


class Broken(Exception):
    """A text is no YAML that can be read: ``line``, from 1, and why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line, self.why = line, why


def compose(text: str) -> Any:
    """The root node of a document's text, None if there is nothing in it. Raises Broken."""
    try:
        return _compose(text)
    except yaml.reader.ReaderError as error:
        # its position counts bytes if libyaml reads, characters if Python does; the text before is mostly plain
        before = text.encode(errors="replace")[: error.position]
        raise Broken(before.count(b"\n") + 1, "it holds a control character") from error
    except UnicodeEncodeError as error:
        raise Broken(text.count("\n", 0, error.start) + 1, "it is no UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Broken(mark.line + 1 if mark else 1, error.problem or error.context or "it is no YAML") from error
    except yaml.YAMLError as error:
        raise Broken(1, "it is no YAML") from error


def _compose(text: str) -> Any:
    try:
        return _Reader(text).get_single_node()
    except yaml.composer.ComposerError as error:
        if "duplicate anchor" not in str(error):
            raise
    return _Patient(text).get_single_node()


class _Hooks:
    _depth = 0

    def descend_resolver(self, current_node: object, current_index: object) -> None:  # noqa: ARG002  the library's names
        self._depth += 1
        if self._depth > _MOST_DEPTH:
            raise Broken(1, f"it nests deeper than {_MOST_DEPTH} levels")

    def ascend_resolver(self) -> None:
        self._depth -= 1

    def resolve(self, kind: object, value: object, implicit: Any) -> str:  # noqa: ARG002  the library's names
        return PLAIN if kind is yaml.ScalarNode and implicit[0] else TEXT


class _Reader(_Hooks, _Base):
    """The fast one."""


class _Patient(_Hooks, *((yaml.composer.Composer, _Base) if _Base is not yaml.SafeLoader else (_Base,))):  # type: ignore[misc]
    """Takes the same anchor twice, as YAML and kubectl do and PyYAML does not: composes in Python, where anchors can be forgotten."""

    def __init__(self, text: str) -> None:
        _Base.__init__(self, text)
        yaml.composer.Composer.__init__(self)

    def compose_node(self, parent: object, index: object) -> Any:
        event = self.peek_event()
        if not isinstance(event, yaml.AliasEvent):
            self.anchors.pop(getattr(event, "anchor", None), None)
        return super().compose_node(parent, index)
