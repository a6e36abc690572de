"""YAML and JSON with the place of each value, read as kubectl reads them. Pure.

PyYAML's reader by libyaml gives nodes with positions about as fast as it can read at all; what a plain scalar means is decided here, as YAML
1.1 and kubectl differ: sigs.k8s.io/yaml reads 010 as 8, 1e9 as a number, 1_000 as 1000 and 12:30 as text.
"""

from __future__ import annotations

from cgtune.manifests.workload import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from yaml.nodes import Node

_MOST_DEPTH = 100  # no manifest nests so deep, and the library recurses


class Unreadable(Exception):  # noqa: N818  # it is caught by the reader of the file and becomes a Skipped
    """A document is no YAML: ``line`` of the file and why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line, self.why = line, why


class Document:
    """One document of a stream. ``text`` is its own text, which begins at character ``start`` and line ``first_line`` (from 0) of the file."""

    def __init__(self, file: str, text: str, start: int, first_line: int, root: Node | None, source: str | None) -> None:
        self.file, self.text, self.start, self.first_line, self.root, self.source = file, text, start, first_line, root, source

    def place(self, node: Node) -> Place:
        """Where a node stands. A block mapping ends where the next thing begins."""
        begin, end = node.start_mark, node.end_mark
        return Place(
            file=self.file,
            line=self.first_line + begin.line + 1,
            column=begin.column + 1,
            end_line=self.first_line + end.line + 1,
            end_column=end.column + 1,
            start=self.start + begin.index,
            end=self.start + end.index,
        )


def parse_documents(file: str, text: str) -> Iterator[Document | Unreadable]:
    """The documents of a file, each by itself: one that is no YAML does not hide the others."""
    raise NotImplementedError


def entries(node: Node | None) -> list[tuple[str, Node, Node]]:
    """The entries of a mapping as (key, key's node, value's node), merge keys resolved; the last of equal keys counts. Empty for all else."""
    raise NotImplementedError


def find(node: Node | None, *path: str) -> Node | None:
    """The node at that path of keys, None if it is not there or null."""
    raise NotImplementedError


def items(node: Node | None) -> list[Node]:
    """The nodes of a sequence, empty for all else."""
    raise NotImplementedError


def value_of(node: Node | None) -> Any:
    """A scalar as kubectl reads it: str, int, float, bool or None. None for mappings and sequences too."""
    raise NotImplementedError


def text_of(node: Node | None) -> str | None:
    """A scalar if it is text, else None."""
    raise NotImplementedError
