"""A recording as a source: it answers for the machine that it was made on, as that answered then.

What the marker says comes first: a refusal, an identity, a listing. All else is in the recording's files. Nothing is asked of the
machine that replays it, and nothing of the network.
"""

from __future__ import annotations

import errno
import os

from cgtune.errors import Malformed, Unreadable
from cgtune.system.endpoint import redact_url
from cgtune.system.recording import NOT_READ, REGIONS_SUFFIX, locate_regions, parse_region, refusal_key, search_key
from cgtune.system.root import READ_CAP_BYTES
from cgtune.system.source import Origin, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cgtune.system.recording import Reading, Recording
    from cgtune.system.source import Files

_LONGEST_LINK = 4096  # limits.h, PATH_MAX


class Recorded(Source):
    """The files of a recording, and what its marker says beside them."""

    def __init__(self, files: Files, recording: Recording) -> None:
        """``files`` are open, and are closed with this source."""
        super().__init__(
            Origin(
                root=files.origin.root,
                is_live=False,
                mount_prefix=recording.mount_prefix,
                page_bytes=recording.page_bytes,
                ticks_per_second=recording.ticks_per_second,
                pids=recording.pids,
            )
        )
        self._files, self._recording = files, recording
        self._regions: dict[str, dict[int, tuple[int, int]]] = {}

    def close(self) -> None:
        self._files.close()

    def forget(self, below: str) -> None:
        self._files.forget(below)

    def time_seconds(self) -> float:
        return self._recording.time_seconds

    def read_whole(self, path: str, cap_bytes: int) -> bytes:
        self._refuse("read", path)
        return self._files.read_whole(path, cap_bytes)

    def read_link(self, path: str) -> str:
        self._refuse("link", path)
        try:
            return self._files.read_link(path)
        except OSError as error:
            target = self._read_target(path) if error.errno == errno.EINVAL else ""
            if not target:
                raise
            return target

    def list_names(self, path: str) -> list[str]:
        self._refuse("list", path)
        names = self._recording.listings.get(path)
        return self._files.list_names(path) if names is None else list(names)

    def list_folders(self, path: str) -> list[str]:
        self._refuse("list", path)
        return self._files.list_folders(path)

    def read_region(self, path: str, offset: int, size: int) -> bytes:
        self._refuse("region", path)
        kept = path + REGIONS_SUFFIX
        try:
            if path not in self._regions:
                self._regions[path] = locate_regions(lambda place, length: self._files.read_region(kept, place, length))
            place, length = self._regions[path].get(offset, (0, 0))
            return parse_region(self._files.read_region(kept, place, min(length, 2 * size)))
        except Malformed as error:
            raise Malformed(f"{kept} is {error}") from error

    def read_file_identity(self, path: str) -> tuple[int, ...]:
        self._refuse("file", path)
        kept = self._recording.identities.get(path)
        return self._files.read_file_identity(path) if kept is None else kept

    def read_identity(self, path: str) -> tuple[int, int]:
        self._refuse("directory", path)
        kept = self._recording.identities.get(path, ())
        return (kept[0], kept[1]) if len(kept) >= 2 else self._files.read_identity(path)

    def is_by_hand(self, directory: str) -> bool:
        if self._recording.by_hand is not None:
            return directory in self._recording.by_hand
        return directory not in self._recording.identities and self._refusal("directory", directory) is None

    def search(self, top: str, depth: int, identity: tuple[int, int] | None, walk: Callable[[], str | None]) -> str | None:  # noqa: ARG002  # what a walk found is known
        return self._recording.found.get(search_key(top, depth, identity))

    def read_page(self, url: str) -> str:
        kept = redact_url(url)
        if kept not in self._recording.pages:
            raise Unreadable(
                f"--metrics-url {kept}: this recording holds no such page; record it with cgtune snapshot --metrics-url {kept}"
            )
        try:
            content = self._files.read_whole(self._recording.pages[kept], READ_CAP_BYTES)
        except (OSError, ValueError) as error:
            raise Unreadable(f"--metrics-url {kept}: the recording's page cannot be read; record it again with cgtune snapshot") from error
        return content.decode("utf-8", "replace")

    def read_metadata(self, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(self._read_metadata, urls))

    def _read_metadata(self, url: str) -> str:
        if url not in self._recording.pages:
            raise Unreadable(f"{url}: this recording holds no such page; record it again with cgtune snapshot")
        try:
            page = self._files.read_whole(self._recording.pages[url], READ_CAP_BYTES).decode("utf-8", "replace")
        except (OSError, ValueError) as error:
            raise Unreadable(f"{url}: the recording's page cannot be read; record it again with cgtune snapshot") from error
        if page.startswith(NOT_READ):
            raise Unreadable(page.removeprefix(NOT_READ))
        return page

    def _read_target(self, path: str) -> str:
        """Where a link led that became a file on its way here, as with git on Windows and in many archives; "" if this file is none."""
        text = os.fsdecode(self._files.read_whole(path, _LONGEST_LINK))
        return text if text.isprintable() else ""

    def _refuse(self, reading: Reading, path: str) -> None:
        number = self._refusal(reading, path)
        if number is not None:
            raise OSError(number, os.strerror(number))

    def _refusal(self, reading: Reading, path: str) -> int | None:
        number = self._recording.unreadable.get(path)
        return self._recording.unreadable.get(refusal_key(reading, path)) if number is None else number
