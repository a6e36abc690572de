"""YAML and JSON with the place of each value, read as kubectl reads them. Pure.

PyYAML's reader by libyaml gives nodes with positions about as fast as it can read at all; what a plain scalar means is decided in
``scalars``, as YAML 1.1, PyYAML and kubectl differ.

Not covered: a document that kubectl refuses is read if it is YAML (keys that are no text, a tag that does not fit its value).
"""

from __future__ import annotations

from cgtune.manifests.places import Lines, count_lines, make_place
from cgtune.manifests.scalars import PLAIN, is_merge, parse_scalar, render_key
from cgtune.manifests.streams import Part, find_source, split_json, split_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from cgtune.manifests.scalars import Scalar
    from cgtune.manifests.workload import Place

    Node = Any  # yaml.nodes.Node: its stubs leave out ``id``

_ODD_BREAKS = "\x85\u2028\u2029"  # the library counts a line there, an editor does not
_MOST_KEYS = 4096
_MOST_SHARED = 10_000  # entries that anchors and ConfigMaps may add to what is written


class Unreadable(Exception):  # it is caught by the reader of the file and becomes a Skipped
    """A document is no YAML: ``line`` of the file and why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line, self.why = line, why


class Multiplied(Exception):
    """Aliases make far more of a document than is written there."""


class Document:
    """One document of a stream. ``text`` is its own text, which begins at character ``start`` and line ``first_line`` (from 0) of the file.

    A byte order mark counts as a character of the file and as no column.
    """

    def __init__(self, file: str, text: str, start: int, first_line: int, root: Node | None, source: str | None) -> None:
        self.file, self.text, self.start, self.first_line, self.root, self.source = file, text, start, first_line, root, source
        self._lines: Lines | None = None  # most documents are asked for no place
        self._has_odd_breaks: bool | None = None
        self._list: Document | None = None  # whose lines these are
        self._is_item = False
        self._left = len(text) + _MOST_SHARED

    def place(self, node: Node) -> Place:
        """Where a node's value stands, its anchor and tag left out. A block mapping ends where the next thing begins.

        What an alias stands for is where its anchor is.
        """
        first, last = node.start_mark, node.end_mark
        begin, end = first.index, last.index
        if self._has_odd_breaks is None:
            self._has_odd_breaks = any(letter in self.text for letter in _ODD_BREAKS)
        while begin < end and self.text[begin] in "&!":
            while begin < end and not self.text[begin].isspace():
                begin += 1
            while begin < end and self.text[begin].isspace():
                begin += 1
        if self._has_odd_breaks or begin > first.index:
            return self.span(begin, end)
        return make_place(  # as the library counted on its way
            self.file,
            self.first_line + first.line + 1,
            first.column + 1,
            self.first_line + last.line + 1,
            last.column + 1,
            self.start + begin,
            self.start + end,
        )

    def split(self) -> Iterator[Document]:
        """The objects of a List, each as a document of its own; else the document itself."""
        roots = split_list(self.root)
        if roots == [self.root]:
            yield self
            return
        self.place(self.root)  # which looks once at how lines break
        has_anchors = _has_anchors(self.text)
        for root in roots:
            one = Document(self.file, self.text, self.start, self.first_line, root, self.source)
            one._list, one._has_odd_breaks, one._is_item = self, self._has_odd_breaks, not has_anchors
            yield one

    def whole(self) -> Place:
        """The place of the document; of an object of a List that object's, unless anchors may join it to the others."""
        if self._is_item:
            return self.place(self.root)
        end_line, column = self.first_line + count_lines(self.text) + 1, len(self.text) - max(self.text.rfind("\n"), self.text.rfind("\r"))
        return make_place(self.file, self.first_line + 1, 1, end_line, column, self.start, self.start + len(self.text))

    def around(self, nodes: list[Node]) -> Place | None:
        """The place from the first to the last of some nodes, in whatever order they stand; None if there is none."""
        places = [self.place(node) for node in nodes]
        begin, end = min((one.start for one in places), default=0), max((one.end for one in places), default=0)
        return self.span(begin - self.start, end - self.start) if places else None

    def span(self, begin: int, end: int) -> Place:
        """The place of characters ``begin`` to ``end`` of this document's own text."""
        place = self._count_lines().place(begin, end)
        return place.replace(
            line=self.first_line + place.line,
            end_line=self.first_line + place.end_line,
            start=self.start + begin,
            end=self.start + end,
        )

    def spend(self, count: int) -> None:
        """Count what is read; raises Multiplied if that is more than can be written in such a text, but for some that are shared."""
        if self._list is not None:
            self._list.spend(count)
        self._left -= count
        if self._left < 0:
            raise Multiplied("its aliases make far more of it than is written there")

    def _count_lines(self) -> Lines:
        if self._list is not None:
            return self._list._count_lines()
        if self._lines is None:
            self._lines = Lines(self.file, self.text)
        return self._lines


def parse_documents(file: str, text: str | Iterable[str]) -> Iterator[Document | Unreadable]:
    """The documents of a file, each by itself: one that is no YAML does not hide the others.

    ``text`` may come in pieces, so that a file of many documents is never held as a whole.
    """
    for part in split_parts(file, text):
        yield from parse_part(part)


def parse_part(part: Part) -> Iterator[Document | Unreadable]:
    """The documents of a part: one; none if there is nothing in it, or null."""
    from cgtune.manifests.composing import Broken, compose

    try:
        root = compose(part.text)
    except Broken as error:
        texts = split_json(part.text) if part.text.lstrip()[:1] == "{" else []
        if not texts:
            yield Unreadable(part.first_line + error.line, error.why)
        for text, begin in texts:
            yield from parse_part(Part(part.file, text, part.start + begin, part.first_line + count_lines(part.text[:begin])))
        return
    odd = _find_odd_key(root) if root is not None and "{{" in part.text else None
    if odd is not None:
        yield Unreadable(part.first_line + odd.start_mark.line + 1, "a key of it is no text")
    elif root is not None and not is_null(root):
        yield Document(part.file, part.text, part.start, part.first_line, root, find_source(part.text))


def _find_odd_key(root: Node) -> Node | None:
    """A key that is a mapping, which no object has: ``value: {{ .Values.a }}`` of a template that is not rendered is YAML, by chance."""
    waiting, seen = [root], {id(root)}  # aliases may go in circles
    while waiting:
        node = waiting.pop()
        if node.id == "mapping":
            odd = next((key for key, _ in node.value if key.id == "mapping"), None)
            if odd is not None:
                return odd
        below = [value for _, value in node.value] if node.id == "mapping" else node.value if node.id == "sequence" else ()
        fresh = [one for one in below if one.id != "scalar" and id(one) not in seen]
        seen.update(map(id, fresh))
        waiting += reversed(fresh)
    return None


def entries(node: Node | None) -> list[tuple[str, Node, Node]]:
    """The entries of a mapping as (key, key's node, value's node), merge keys resolved; the last of equal keys counts. Empty for all else.

    Merge keys count where they stand, as kubectl has it (go-yaml v2): a later one beats what is written before it. Of a list of mappings
    the first that has the key counts.
    """
    return [(key, name, value) for key, (name, value) in _pairs(node).items()]


def members(node: Node | None) -> dict[str, Node]:
    """The nodes of a mapping by key, as ``entries`` has them."""
    return {key: value for key, (_, value) in _pairs(node).items()}


def find(node: Node | None, *path: str) -> Node | None:
    """The node at that path of keys, None if it is not there or null."""
    for wanted in path:
        node = _pairs(node).get(wanted, (None, None))[1]
    return None if node is None or is_null(node) else node


def items(node: Node | None) -> list[Node]:
    """The nodes of a sequence, empty for all else."""
    return list(node.value) if node is not None and node.id == "sequence" else []


def split_list(root: Node) -> list[Node]:
    """The objects of a List, or of a Template of OpenShift; else the object itself."""
    kind = text_of(find(root, "kind")) or ""
    listed = items(find(root, "objects" if kind == "Template" else "items")) if kind.endswith(("List", "Template")) else []
    return listed or [root]


def is_null(node: Node) -> bool:
    """Whether a node is null, written or left out."""
    return node.id == "scalar" and parse_scalar(node.value, node.tag) is None


def value_of(node: Node | None) -> Scalar:
    """A scalar as kubectl reads it: str, int, float, bool or None. None for mappings and sequences too."""
    return parse_scalar(node.value, node.tag) if node is not None and node.id == "scalar" else None


def text_of(node: Node | None) -> str | None:
    """A scalar if it is text, else None."""
    value = value_of(node)
    return value if isinstance(value, str) else None


def _has_anchors(text: str) -> bool:
    """Whether a text may have anchors; it may be wrong the other way alone."""
    import re

    return "*" in text and re.search(r"(?:^|[\s,\[{:])&[^\s&]", text) is not None


_keys: dict[str, str] = {}  # of plain keys what they are; manifests have few


def _pairs(node: Node | None) -> dict[str, tuple[Node, Node]]:
    if node is None or node.id != "mapping":
        return {}
    found: dict[str, tuple[Node, Node]] = {}
    for pair in node.value:
        name = pair[0]
        if name.id != "scalar":
            continue
        text = name.value
        key = _keys.get(text) if name.tag == PLAIN else None
        if key is None:
            key = render_key(text, name.tag)
            if is_merge(text, name.tag):
                return _merge(node)
            if name.tag == PLAIN and len(_keys) < _MOST_KEYS:
                _keys[text] = key
        found[key] = pair
    return found


def _merge(node: Node) -> dict[str, tuple[Node, Node]]:
    """The entries of a mapping with merge keys. Each mapping is looked at once: aliases may go in circles."""
    found: dict[str, tuple[Node, Node]] = {}
    seen: set[int] = {id(node)}
    waiting = list(node.value)  # what counts most is last
    while waiting:
        name, value = waiting.pop()
        if name.id != "scalar":
            continue
        if not is_merge(name.value, name.tag):
            found.setdefault(render_key(name.value, name.tag), (name, value))
            continue
        for merged in reversed(value.value) if value.id == "sequence" else (value,):
            if merged.id == "mapping" and id(merged) not in seen:
                seen.add(id(merged))
                waiting += merged.value
    return dict(reversed(found.items()))
