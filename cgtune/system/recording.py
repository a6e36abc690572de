"""The form that a recording has on disk: which files it holds beside those of the machine, and what stands in them.

A recording is a folder with the files and links that were read, at their own paths, and a marker at its top: when and where it was made,
and the answers that no plain file can give. Of a large file it keeps the regions that were read.
"""

from __future__ import annotations

from cgtune.errors import Malformed
from cgtune.records import Record
from cgtune.system.source import MARKER, MOST_MARKER_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Literal

    #: How something is read: as a whole file, a link, a list of names, a region of a large file, the identity of a file or a directory.
    Reading = Literal["read", "link", "list", "region", "file", "directory"]

#: Of a large file only what was read is kept, under its name with this suffix.
REGIONS_SUFFIX = ".regions"

#: A page that begins so could not be read, and says why.
NOT_READ = "cgtune: not read: "

#: A recording that grows beyond this is none of ours.
LARGEST_BYTES = 512 << 20
#: Of a packed one, with what stands before a long name: 500 Go programs of 64 threads and cgroups of their own beside 10,000 other
#: processes come to 145,000. Each takes 5 µs to be looked at.
MOST_HEADS = 150_000

#: Of a marker: 10,000 Go programs come to 1.4 MB with 60,000 commas and 11,000 brackets. In memory 3 bytes of JSON may take 230.
_MOST_COMMAS = 150_000
_MOST_BRACKETS = 50_000

#: Of a Go program some hundred are read.
_MOST_REGIONS = 100_000
_LONGEST_NUMBER = 20
_CHUNK = 1 << 20

_SCHEMA = "cgtune/snapshot/v1"
_LONGEST_NAME = 255  # NAME_MAX
_HIGHEST_ERRNO = 4095  # include/linux/err.h, MAX_ERRNO


class Recording(Record):
    """What a recording says beside its files: when and where it was made, and answers that no plain file can give."""

    time_seconds: float
    mount_prefix: str  # the root it was read below, as its mount table spells it; "" for /
    page_bytes: int
    ticks_per_second: int
    pids: tuple[int, ...]  # those that were asked for, in order; none: what a run without --pid reports
    unreadable: Mapping[str, int]  # path, refused however it is read, or refusal_key -> errno
    identities: Mapping[str, tuple[int, ...]]  # directory or file -> what identifies it
    found: Mapping[str, str]  # search_key -> directory
    listings: Mapping[str, tuple[str, ...]]  # directory -> its names, if the files of the recording do not tell them
    by_hand: frozenset[str] | None  # directories of whose device nothing was known, as in a copy; None: all that have no identity
    pages: Mapping[str, str]  # URL, without what may be secret -> the file at the top of the recording that holds the page


def parse_marker(text: bytes) -> Recording:
    """The marker's JSON. Raises Malformed where it is damaged or beyond its bounds; ``time_seconds`` alone must be there."""
    import json

    require_marker_bounds(text)
    try:
        facts = json.loads(text)
        return Recording(
            time_seconds=float(facts["time_seconds"]),
            mount_prefix=str(facts.get("mount_prefix", "")),
            page_bytes=_within(facts.get("page_bytes", 4096), 1, 1 << 40),
            ticks_per_second=_within(facts.get("ticks_per_second", 100), 1, 1 << 40),
            pids=tuple(map(int, facts.get("pids", ()))),
            unreadable={str(path): _within(number, 1, _HIGHEST_ERRNO) for path, number in facts.get("unreadable", {}).items()},
            identities={str(path): tuple(map(int, numbers)) for path, numbers in facts.get("identities", {}).items()},
            found={str(key): str(directory) for key, directory in facts.get("found", {}).items()},
            listings={str(path): tuple(map(_name, names)) for path, names in facts.get("listings", {}).items()},
            by_hand=frozenset(map(str, facts["by_hand"])) if "by_hand" in facts else None,
            pages={str(url): str(path) for url, path in facts.get("pages", {}).items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, OverflowError) as error:
        raise Malformed(f"{MARKER} is damaged ({error})") from error


def require_marker_bounds(marker: bytes) -> None:
    """Raise Malformed if a marker is larger than one of ours, or would be in memory."""
    commas, brackets = marker.count(b","), marker.count(b"[") + marker.count(b"{")
    if len(marker) > MOST_MARKER_BYTES or commas > _MOST_COMMAS or brackets > _MOST_BRACKETS:
        raise Malformed(
            f"{MARKER} is damaged (more than {MOST_MARKER_BYTES >> 20} MiB, {_MOST_COMMAS} commas or {_MOST_BRACKETS} brackets)"
        )


def render_marker(recording: Recording) -> bytes:
    """The marker that parse_marker reads back."""
    import json

    facts = {"schema": _SCHEMA, **dict(recording.items())}
    if recording.by_hand is None:
        del facts["by_hand"]
    else:
        facts["by_hand"] = sorted(recording.by_hand)
    return (json.dumps(facts, indent=2, sort_keys=True) + "\n").encode("ascii")


def locate_regions(read: Callable[[int, int], bytes]) -> dict[int, tuple[int, int]]:
    """By offset where the content of each region stands, in hexadecimal: its place in the file of regions, and its length there.

    ``read`` gives so many bytes of that file at a place, fewer at its end. Raises Malformed. Nothing of the content is kept.
    """
    found: dict[int, tuple[int, int]] = {}
    at, start, head = 0, 0, b""
    while chunk := read(at, _CHUNK):
        place = 0
        while place < len(chunk):
            end = chunk.find(b"\n", place)
            stop = len(chunk) if end < 0 else end
            head += chunk[place : min(stop, place + _LONGEST_NUMBER + 1 - len(head))]
            if end >= 0:
                _note_region(found, head, start, at + end)
                start, head = at + end + 1, b""
            place = stop + 1
        at += len(chunk)
        if at > LARGEST_BYTES:
            raise Malformed(f"damaged: more than {LARGEST_BYTES >> 20} MiB")
    _note_region(found, head, start, at)
    return found


def _note_region(found: dict[int, tuple[int, int]], head: bytes, start: int, end: int) -> None:
    number, _, _ = head.partition(b" ")
    if not number:
        return
    if len(found) >= _MOST_REGIONS:
        raise Malformed(f"damaged: more than {_MOST_REGIONS} regions")
    try:
        offset = int(number, 16)
    except ValueError as error:
        raise Malformed(f"damaged: {error}") from error
    content = start + len(number) + 1
    found[offset] = (content, max(end - content, 0))


def parse_region(text: bytes) -> bytes:
    """The content of a region. Raises Malformed."""
    try:
        return bytes.fromhex(text.decode("ascii"))
    except (ValueError, UnicodeDecodeError) as error:
        raise Malformed(f"damaged: {error}") from error


def render_regions(regions: dict[int, bytes]) -> bytes:
    """The lines that locate_regions finds again; regions without content are left out."""
    return b"".join(b"%x %s\n" % (offset, content.hex().encode("ascii")) for offset, content in sorted(regions.items()) if content)


def search_key(top: str, depth: int, identity: tuple[int, int] | None) -> str:
    """The name under which a recording keeps the outcome of one search for a directory; without an identity, for the reader's own."""
    return f"{top} {depth} {f'{identity[0]}:{identity[1]}' if identity is not None else 'self'}"


def refusal_key(reading: Reading, path: str) -> str:
    """The name under which a recording keeps a refusal of one way to read ``path``, if another way had an answer."""
    return f"{reading} {path}"


def _name(name: object) -> str:
    """A name in a folder. Longer ones there are none, and numbers of 4301 digits would be no pids."""
    if len(str(name)) > _LONGEST_NAME:
        raise ValueError(f"{name!r:.40} is no name in a folder")
    return str(name)


def _within(number: object, lowest: int, highest: int) -> int:
    if not isinstance(number, int) or not lowest <= number <= highest:
        raise ValueError(f"{number!r:.40} is not between {lowest} and {highest}")
    return number
