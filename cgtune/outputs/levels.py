"""The chains of cgroups in the table, leaf first: what each level allows."""

from __future__ import annotations

from cgtune.numbers import format_cores
from cgtune.outputs.layout import HEADER_ROOM, lay_out
from cgtune.outputs.words import format_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cgtune.model import ByteLimit, CpuLevel, MemoryLevel, Snapshot
    from cgtune.outputs.layout import Sheet

_CPU_COLUMNS = {2: ("quota/period µs", "cores", "weight", "throttled"), 1: ("quota/period µs", "cores", "shares", "throttled")}
#: v1 limits memory and swap together; v2 swap alone.
_MEMORY_COLUMNS = {2: ("limit", "high", "swap", "in use"), 1: ("limit", "high", "mem+swap", "in use")}

#: Nothing there: the kernel has no such file in this cgroup. "max" is what the kernel itself says where nothing limits.
_NO_FILE, _NO_LIMIT = "-", "max"

_NAME_WIDTH, _LEAST_NAME_WIDTH = 26, 8
_GAP = 2


def chain_lines(sheet: Sheet, snapshot: Snapshot) -> Iterator[str]:
    """A table for each controller, and an empty line above it."""
    for version in sorted({level.version for level in snapshot.cpu_chain}):
        yield from _chain(sheet, "CPU", _CPU_COLUMNS[version], [(level.path, _cpu_cells(level)) for level in snapshot.cpu_chain])
    for version in sorted({level.version for level in snapshot.memory_chain}):
        rows = [(level.path, _memory_cells(level)) for level in snapshot.memory_chain]
        yield from _chain(sheet, "memory", _MEMORY_COLUMNS[version], rows)


def _chain(sheet: Sheet, title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, list[str]]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(columns, *(cells for _, cells in rows), strict=True)]
    room = sheet.width - 2 - sum(widths) - _GAP * len(widths)
    title = f"{title}, leaf first" if len(title) + len(", leaf first") <= room else title
    names = [sheet.name(path, max(room, _LEAST_NAME_WIDTH) if room < _NAME_WIDTH else _NAME_WIDTH) for path, _ in rows]
    cells = [[name, *row] for name, (_, row) in zip(names, rows, strict=True)]
    headers, sides = [[title, *columns]], "<" + ">" * len(columns)
    lines = lay_out(headers, cells, sides, HEADER_ROOM)
    if 2 + max(map(len, lines)) > sheet.width:
        lines = lay_out(headers, cells, sides, header_room=0)
    yield ""
    yield from (f"  {line}" for line in lines)


def _cpu_cells(level: CpuLevel) -> list[str]:
    bandwidth, throttling = level.bandwidth, level.throttling
    quota = _NO_FILE if bandwidth is None else f"{_NO_LIMIT if bandwidth.quota_us is None else bandwidth.quota_us}/{bandwidth.period_us}"
    cores = _NO_FILE if bandwidth is None else _NO_LIMIT if bandwidth.limit_cores is None else format_cores(bandwidth.limit_cores)
    quota += f" +{level.burst_us}" if level.burst_us else ""
    weight = str(level.weight) if level.weight is not None else str(level.shares) if level.shares is not None else _NO_FILE
    weight = "idle" if level.idle else weight
    return [quota, cores, weight, f"{throttling.throttled_periods}/{throttling.periods}" if throttling else _NO_FILE]


def _memory_cells(level: MemoryLevel) -> list[str]:
    used = level.current_bytes if level.used_bytes is None else level.used_bytes
    current = _NO_FILE if used is None else format_bytes(used)
    return [_limit(level.limit), _limit(level.high), _limit(level.swap if level.version == 2 else level.memsw), current]


def _limit(limit: ByteLimit | None) -> str:
    return _NO_FILE if limit is None else _NO_LIMIT if limit.limit_bytes is None else format_bytes(limit.limit_bytes)
