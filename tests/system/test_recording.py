"""The form of a recording on disk: what is written is what is read back, and damage is named."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, strategies as st

from cgtune.errors import Malformed
from cgtune.system import recording as form
from cgtune.system.endpoint import redact_url
from cgtune.system.recording import Recording, locate_regions, parse_marker, parse_region, render_marker, render_regions

#: Names as they are read: bytes that are no UTF-8 stand as lone surrogates.
TEXTS = st.text(st.characters(codec="utf-8") | st.integers(0xDC80, 0xDCFF).map(chr), max_size=10)
NUMBERS = st.integers(0, 1 << 70)


@given(
    st.builds(
        Recording,
        time_seconds=st.floats(allow_nan=False),
        mount_prefix=TEXTS,
        page_bytes=st.integers(1, 1 << 40),
        ticks_per_second=st.integers(1, 1 << 40),
        unreadable=st.dictionaries(TEXTS, st.integers(1, 4095), max_size=3),
        identities=st.dictionaries(TEXTS, st.lists(NUMBERS, max_size=5).map(tuple), max_size=3),
        pids=st.lists(NUMBERS, max_size=3).map(tuple),
        found=st.dictionaries(TEXTS, TEXTS, max_size=3),
        listings=st.dictionaries(TEXTS, st.lists(TEXTS, max_size=3).map(tuple), max_size=3),
        by_hand=st.none() | st.frozensets(TEXTS, max_size=3),
        pages=st.dictionaries(TEXTS, TEXTS, max_size=3),
    )
)
def test_a_marker_survives_the_disk(recording: Recording) -> None:
    """Whatever a recording says is what its replay hears, names that are no UTF-8 included."""
    assert parse_marker(render_marker(recording)) == recording


def regions_of(content: bytes) -> dict[int, bytes]:
    """What the file of regions with this content holds."""
    found = locate_regions(lambda place, size: content[place : place + size])
    return {offset: parse_region(content[place : place + length]) for offset, (place, length) in found.items()}


@given(st.dictionaries(NUMBERS, st.binary(min_size=1, max_size=10), max_size=5), st.integers(min_value=1, max_value=40))
def test_regions_survive_the_disk(regions: dict[int, bytes], chunk: int) -> None:
    """What was read of a large file comes back at its offsets, wherever the file was cut while it was searched."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(form, "_CHUNK", chunk)
        assert regions_of(render_regions(regions)) == regions


@pytest.mark.parametrize(("bound", "most"), [("_MOST_REGIONS", 2), ("LARGEST_BYTES", 10)])
def test_regions_have_bounds(monkeypatch: pytest.MonkeyPatch, bound: str, most: int) -> None:
    """Two lines of five bytes, and no more."""
    monkeypatch.setattr(form, bound, most)
    assert regions_of(b"1 ab\n2 ab\n") == {1: b"\xab", 2: b"\xab"}
    with pytest.raises(Malformed, match="damaged: more than"):
        regions_of(b"1 ab\n2 ab\n3 ab\n")


def test_an_empty_region_is_not_kept() -> None:
    """A place where nothing could be read says the same as one that was never read."""
    assert render_regions({0: b"", 16: b"x"}) == b"10 78\n"


@given(st.binary())
def test_damage_is_malformed(content: bytes) -> None:
    """Any bytes are a recording's or Malformed, nothing else."""
    for parse in (parse_marker, regions_of):
        try:
            parse(content)
        except Malformed as error:
            assert "damaged" in str(error)  # noqa: PT017  # most bytes are, some are not


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"time_seconds": "soon"}',
        b'{"time_seconds": 1, "page_bytes": 0}',
        b'{"time_seconds": 1, "ticks_per_second": -1}',
        b'{"time_seconds": 1, "unreadable": {"/x": 4096}}',
        b'{"time_seconds": 1, "unreadable": []}',
        b'{"time_seconds": 1, "identities": {"/x": [null]}}',
        b'{"time_seconds": 1, "listings": {"/proc": ["' + b"9" * 5000 + b'"]}}',
    ],
)
def test_a_damaged_marker(text: bytes) -> None:
    """A marker that says what cannot be is refused as a whole."""
    with pytest.raises(Malformed, match="damaged"):
        parse_marker(text)


@pytest.mark.parametrize(
    ("head", "unit", "most"),
    [
        pytest.param(b'"x":"', b"x", (4 << 20) - 30, id="bytes"),
        pytest.param(b'"x":[', b"1,", 150_000, id="values"),
        pytest.param(b'"x":[', b"[],", 49_000, id="lists"),
        pytest.param(b'"x":[', b"{},", 49_000, id="mappings"),
    ],
)
def test_a_marker_has_bounds(head: bytes, unit: bytes, most: int) -> None:
    """What is much larger than that of a node with ten thousand programs is refused before JSON makes of it what it likes."""
    end = b'"}' if head.endswith(b'"') else b"1]}"
    assert parse_marker(b'{"time_seconds":1,' + head + unit * (most - 10) + end).time_seconds == 1
    with pytest.raises(Malformed, match=r"cgtune-snapshot.json is damaged \(more than 4 MiB, 150000 commas or 50000 brackets\)"):
        parse_marker(b'{"time_seconds":1,' + head + unit * (most + 1_010) + end)


def test_a_marker_at_its_bounds_takes_forty_mib() -> None:
    """The dearest that was found: names with a text each."""
    text = b'{"time_seconds":1,"found":{' + b",".join(b'"%x":"%x"' % (number, number) for number in range(149_990)) + b"}}"
    tracemalloc.start()
    assert len(parse_marker(text + b" " * ((4 << 20) - len(text))).found) == 149_990
    _, most_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most_bytes < 40 << 20


def test_a_marker_of_hand_needs_the_time_alone() -> None:
    """A story made by hand says when it plays; the rest is the usual."""
    recording = parse_marker(b'{"time_seconds": 1}')
    assert (recording.page_bytes, recording.ticks_per_second, recording.pids) == (4096, 100, ())


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://127.0.0.1:9090/metrics", "http://127.0.0.1:9090/metrics"),
        ("http://me:secret@localhost:9090/metrics", "http://localhost:9090/metrics"),
        ("https://me@[::1]:9090/metrics?token=secret", "https://[::1]:9090/metrics"),
        ("http://localhost/metrics?a=b#secret", "http://localhost/metrics"),
        ("http://localhost/a@b/metrics#secret?x", "http://localhost/a@b/metrics"),
        ("http://me:sec/ret@localhost", "http://localhost"),  # a slash ends the host, and no client logs in so; it is a secret all the same
        ("http://me:se@cret@localhost?x", "http://localhost"),
        ("http://", "http://"),
    ],
)
def test_a_url_is_kept_without_its_secrets(url: str, kept: str) -> None:
    """User, password, query and fragment are cut; what is left says which page it was."""
    assert redact_url(url) == kept
