"""The list of real Go programs, programs.tsv: one line a program, pinned by version and by the SHA-256 of the package.

Columns: registry (debian, pypi, npm), name, version and sha256 of the package; file, the program inside; go, the version that built it, as
the Go toolchain itself tells (``go version``), else as the program's own text has it; kinds, how it was built; sets, the variables that
the program is known to overrule or to change; library, a package whose library it needs; share, ``small`` for those that CI runs too;
arguments, with which it does no harm. ``-`` stands for nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

LIST = Path(__file__).with_name("programs.tsv")


class Program(NamedTuple):
    """One program of one package."""

    registry: str
    name: str
    version: str
    sha256: str
    file: str
    go: str
    kinds: frozenset[str]
    sets: frozenset[str]
    library: str | None
    share: str | None
    arguments: tuple[str, ...]

    @property
    def key(self) -> str:
        """Names the program among all others, in one word."""
        return f"{self.registry}:{self.name}@{self.version}:{self.file.rpartition('/')[2]}"

    @property
    def package(self) -> tuple[str, str, str]:
        """Registry, name and version of its package."""
        return self.registry, self.name, self.version


def parse_programs(text: str) -> tuple[Program, ...]:
    """The lines behind the header, in their order. ValueError: a line has not the columns of the header."""
    header, *lines = text.splitlines()
    names = header.split("\t")
    programs = []
    for line in lines:
        row = dict(zip(names, line.split("\t"), strict=True))
        programs.append(
            Program(
                registry=row["registry"],
                name=row["name"],
                version=row["version"],
                sha256=row["sha256"],
                file=row["file"],
                go=row["go"],
                kinds=_words(row["kinds"]),
                sets=_words(row["sets"]),
                library=None if row["library"] == "-" else row["library"],
                share=None if row["share"] == "-" else row["share"],
                arguments=tuple(row["arguments"].split()),
            )
        )
    return tuple(programs)


def read_programs() -> tuple[Program, ...]:
    """The whole list."""
    return parse_programs(LIST.read_text())


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in text.split(",") if word != "-")
