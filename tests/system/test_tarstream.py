"""Entries of tar archives from a stream: against Python's own tarfile, and within bounds for archives that somebody made up."""

from __future__ import annotations

import contextlib
import io
import tarfile

import pytest
from hypothesis import given, strategies as st

from cgtune.errors import Malformed
from cgtune.system.tarstream import Entry, TarStream

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def _pack(form: int, *entries: tuple[str, bytes, bytes, str]) -> bytes:
    """Entries of (name, type, content, link)."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, kind, content, link in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size, entry.linkname, entry.mode = kind, len(content), link, 0o755
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def _entries(data: bytes, *, jump: bool = False) -> list[tuple[Entry, bytes]]:
    file = io.BytesIO(data)
    stream = TarStream(file.read, (lambda size: file.seek(size, io.SEEK_CUR)) if jump else None)
    return [(entry, b"" if jump else stream.read(entry.size)) for entry in stream.entries()]


@pytest.mark.parametrize("form", FORMATS)
def test_each_kind_in_each_format(form: str) -> None:
    """Files, folders, links, and names that are too long for a header."""
    long = "/".join(["folder" * 8] * 4) if form != "ustar" else "/".join(["folder"] * 20)
    data = _pack(
        FORMATS[form],
        ("./a/b", tarfile.REGTYPE, b"content", ""),
        ("a/", tarfile.DIRTYPE, b"", ""),
        ("/s", tarfile.SYMTYPE, b"", "../a/b"),
        ("h", tarfile.LNKTYPE, b"", "a//b"),
        (f"{long}/x", tarfile.REGTYPE, b"x" * 1000, ""),
        ("f", tarfile.FIFOTYPE, b"", ""),
        ("last", tarfile.REGTYPE, b"", ""),
    )
    found = _entries(data)
    assert [(entry.path, entry.kind, entry.link, content) for entry, content in found] == [
        ("/a/b", "file", None, b"content"),
        ("/a", "folder", None, b""),
        ("/s", "link", "../a/b", b""),
        ("/h", "hard link", "/a/b", b""),
        (f"/{long}/x", "file", None, b"x" * 1000),
        ("/f", "other", None, b""),
        ("/last", "file", None, b""),
    ]
    assert {entry.mode for entry, _ in found} == {0o755}
    assert [data[entry.offset : entry.offset + entry.size] for entry, _ in found] == [content for _, content in found]
    assert [entry for entry, _ in _entries(data, jump=True)] == [entry for entry, _ in found]


def _changed(data: bytes, at: int, new: bytes) -> bytes:
    """The first header with some bytes changed, and its checksum made right."""
    head = bytearray(data[:512])
    head[at : at + len(new)] = new
    head[148:156] = b" " * 8
    head[148:156] = f"{sum(head):06o}\0 ".encode()
    return bytes(head) + data[512:]


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 512,
        b"PK\3\4" + b"\0" * 600,
        _pack(tarfile.GNU_FORMAT, ("a", tarfile.REGTYPE, b"x" * 5000, ""))[:2000],
        _changed(_pack(tarfile.GNU_FORMAT, ("a", tarfile.REGTYPE, b"x", "")), 124, b"\xff" * 12),
        _changed(_pack(tarfile.GNU_FORMAT, ("a", tarfile.REGTYPE, b"x", "")), 124, b"\x80" + b"\x7f" * 11),
        _changed(_pack(tarfile.GNU_FORMAT, ("a", tarfile.REGTYPE, b"x", "")), 124, b"99999999999\0"),
        _changed(_changed(_pack(tarfile.GNU_FORMAT, ("a", tarfile.REGTYPE, b"x", "")), 156, b"x"), 124, b"00100000000\0"),
        _changed(_pack(tarfile.GNU_FORMAT, ("a", tarfile.REGTYPE, b"99 path=x\n", "")), 156, b"x"),
        _changed(_pack(tarfile.GNU_FORMAT, ("a", tarfile.REGTYPE, b"nolength", "")), 156, b"x"),
        _changed(_pack(tarfile.GNU_FORMAT, ("a", tarfile.REGTYPE, b"11 size=-1\n", ""), ("b", tarfile.REGTYPE, b"", "")), 156, b"x"),
    ],
)
def test_what_is_no_tar(data: bytes) -> None:
    """It is refused before any length in it is believed."""
    with pytest.raises(Malformed):
        _entries(data)


@given(st.binary(max_size=1500), st.integers(0, 1023), st.binary(min_size=1, max_size=8))
def test_any_bytes(tail: bytes, at: int, new: bytes) -> None:
    """Any bytes are entries or refused, and nothing else comes of them."""
    whole = bytearray(_pack(tarfile.PAX_FORMAT, ("é" * 60, tarfile.REGTYPE, b"content", "")))
    whole[at : at + len(new)] = new
    for data in (tail, bytes(whole), _changed(bytes(whole), at % 512, new[: 512 - at % 512]) + tail):
        with contextlib.suppress(Malformed):
            assert len(_entries(data)) < 100


@pytest.mark.parametrize(("count", "is_refused"), [(8, False), (9, True)])
def test_prefaces_end(count: int, is_refused: bool) -> None:
    """Eight before one entry: a long name, a long link, what pax says. Who writes more writes them without end."""
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, 2
    preface = name.tobuf(tarfile.GNU_FORMAT) + b"x".ljust(512, b"\0")
    data = (preface * count + tarfile.TarInfo("y").tobuf()) * 2
    if is_refused:
        with pytest.raises(Malformed, match="prefaces without end"):
            _entries(data)
    else:
        assert [entry.path for entry, _ in _entries(data)] == ["/x", "/x"]
