"""JSON text without the json package."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from cgtune.outputs.jsontext import json_pieces, write_json

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(DOCUMENTS)
def test_it_writes_what_json_writes(document: object) -> None:
    """Any document gives the bytes that json.dumps gives: empty containers, surrogates, infinities and all."""
    assert write_json(document) == json.dumps(document, indent=2, ensure_ascii=True) + "\n"


@pytest.mark.parametrize(
    "document",
    [[], {}, (), {"a": {}, "b": []}, [[[]]], [True, 1, 1.0, None, False, 0], "\ud800", "é\n\x7f", float("nan"), [float("-inf")], 10**40],
    ids=repr,
)
def test_the_edges(document: object) -> None:
    """The cases that are easily got wrong."""
    assert write_json(document) == json.dumps(document, indent=2, ensure_ascii=True) + "\n"


@pytest.mark.parametrize("document", [{1, 2}, b"bytes", {1: "a key that is no string"}, object()], ids=repr)
def test_what_is_no_json_is_refused(document: object) -> None:
    """A fault of ours is no half of a document."""
    with pytest.raises(TypeError):
        write_json([document])


@given(st.dictionaries(st.text(), SCALARS | st.lists(DOCUMENTS)))
def test_pieces_are_the_same_text(document: dict[str, object]) -> None:
    """A list may come one item at a time: the bytes are those of the whole."""
    one_at_a_time: dict[str, object] = {key: iter(value) if isinstance(value, list) else value for key, value in document.items()}
    assert "".join(json_pieces(one_at_a_time)) == "".join(json_pieces(document)) == write_json(document)
