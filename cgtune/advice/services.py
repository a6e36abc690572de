"""A list of services as people keep it, a table of comma-separated values: text in, services out. Pure.

Nothing is guessed: a column that is not known, a row that has too many or too few, and a value that is none are refused with their line.
"""

from __future__ import annotations

from cgtune.advice.prediction import Limited, parse_environ
from cgtune.advice.quantities import parse_byte_quantity, parse_cpu_limit
from cgtune.advice.upgrade import limited_service
from cgtune.errors import UsageError
from cgtune.records import Record
from cgtune.runtimes.go.offline import parse_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.advice.upgrade import Service
    from cgtune.runtimes.go.offline import OfflineProgram

COLUMNS = ("name", "cpu_limit", "memory_limit", "go", "language", "replicas", "env")

_MOST_SERVICES = 100_000
_MOST_REPLICAS = 1_000_000
_LEAST_MEMORY_BYTES = 4096  # a page
_BOM = "\ufeff"


class Target(Record):
    """Which Go is to come, and what holds for every service that does not say it: the Go and the go line of today, the node's CPUs."""

    new_go: str
    old_go: str | None
    language: str | None
    cpus: int
    cgroup: int = 2


class Programs:
    """The program of each version and go line, before and after; each is parsed once."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._known: dict[tuple[str, str | None], tuple[OfflineProgram, OfflineProgram]] = {}

    def find(self, go: str, language: str | None) -> tuple[OfflineProgram, OfflineProgram]:
        """(the program today, the program with the new Go). Raises UsageError for what is no version of Go."""
        key = (go or self._target.old_go or "", language or self._target.language)
        if key not in self._known:
            if not key[0]:
                raise UsageError("its Go is not said; add a column go, or name the Go of all others with --from, as in --from 1.24")
            today = parse_program(key[0], key[1], "go", "language")
            self._known[key] = today, parse_program(self._target.new_go, key[1], "--to", "language")
        return self._known[key]


def parse_services(text: str, file: str, target: Target) -> Iterator[Service]:
    """The services of a table with a header: any of COLUMNS, in any order. Raises UsageError, which names ``file`` and the line."""
    import csv

    reader = csv.reader(text.removeprefix(_BOM).split("\n"), strict=True, skipinitialspace=True)
    programs = Programs(target)
    columns: list[str] | None = None
    count = 0
    try:
        for cells in reader:
            if not any(map(str.strip, cells)):
                continue
            if columns is None:
                columns = _parse_header([cell.strip() for cell in cells])
                continue
            if len(cells) != len(columns):
                raise UsageError(f"has {len(cells)} cells, and the header has {len(columns)}; put a text with a comma in it into quotes")
            count += 1
            if count > _MOST_SERVICES:
                raise UsageError(f"is beyond {_MOST_SERVICES} services; give fewer at once")
            yield _parse_row(dict(zip(columns, map(str.strip, cells), strict=True)), count, target, programs)
    except csv.Error as error:
        raise UsageError(f"--input {file}:{reader.line_num}: {error}; see RFC 4180 for quotes") from error
    except UsageError as error:
        raise UsageError(f"--input {file}:{reader.line_num}: {error}") from error
    if not count:
        raise UsageError(f"--input {file} has no service; it needs a header and a line for each, as in name,cpu_limit,go")


def _parse_header(cells: list[str]) -> list[str]:
    names = [cell.lower() for cell in cells]
    for name in names:
        if name not in COLUMNS:
            raise UsageError(f"column {name[:40]!a} is none of {', '.join(COLUMNS)}; leave it out, or is the header missing?")
        if names.count(name) > 1:
            raise UsageError(f"column {name} is there twice; leave one out")
    return names


def _parse_row(cells: dict[str, str], number: int, target: Target, programs: Programs) -> Service:
    cpu, memory = cells.get("cpu_limit", ""), cells.get("memory_limit", "")
    limited = Limited(
        cpus=target.cpus,
        cgroup=target.cgroup,
        bandwidth=parse_cpu_limit(cpu, "cpu_limit") if cpu else None,
        memory_bytes=None if memory in ("", "max") else parse_byte_quantity(memory, "memory_limit", least=_LEAST_MEMORY_BYTES),
        environ=parse_environ(cells.get("env", "").split(), "env"),
    )
    old, new = programs.find(cells.get("go", ""), cells.get("language", "") or None)
    replicas = _parse_replicas(cells.get("replicas", ""))
    return limited_service(cells.get("name", "") or f"service {number}", limited, old, new, replicas=replicas)


def _parse_replicas(text: str) -> int:
    if not text:
        return 1
    if not (text.isascii() and text.isdigit() and len(text) <= 7 and int(text) <= _MOST_REPLICAS):
        raise UsageError(f"replicas {text[:40]!a} is no number from 0 to {_MOST_REPLICAS}; example: 3")
    return int(text)
