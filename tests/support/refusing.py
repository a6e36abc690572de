"""A host that refuses some paths, as a kernel or the end of a process does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from cgtune.errors import translate
from cgtune.system.host import Host

T = TypeVar("T")


class Refusing(Host):
    """What lies below a root, but for the paths that are ``refused``, each with an errno, whatever is asked of them."""

    def __init__(self, root: str, refused: Mapping[str, int]) -> None:
        super().__init__(root)
        self.refused = refused

    def _ask(self, path: str, ask: Callable[..., T], *more: int) -> T:
        if path in self.refused:
            raise translate(OSError(self.refused[path], os.strerror(self.refused[path])), path)
        return super()._ask(path, ask, *more)

    def read_each(self, paths: Iterable[str]) -> Iterator[bytes | None]:
        for path in paths:
            yield None if path in self.refused else next(iter(super().read_each((path,))))
