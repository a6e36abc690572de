"""Units of systemd: what limits and variables a service gets, drop-ins and slices of the same input included. Pure.

systemd.exec(5), systemd.resource-control(5), systemd.unit(5); seen with systemd 252, 257 and 262.
Not covered: DefaultEnvironment= of system.conf, PAM, `systemctl set-property`, units that a generator makes. CPUQuotaPeriodSec= changes no
limit. An EnvironmentFile= is an absolute path; it is looked for below each folder that the unit lies in.
"""

from __future__ import annotations

from cgtune.errors import Malformed
from cgtune.manifests.commandline import join_command
from cgtune.manifests.places import ALONE, Lines, join_path
from cgtune.manifests.unitamounts import (
    meant_cpu_quota,
    meant_size,
    parse_cpu_quota,
    parse_share,
    parse_size,
    why_no_cpu_quota,
    why_no_size,
)
from cgtune.manifests.unittext import expand_specifiers, parse_unit, parse_words
from cgtune.manifests.unitvariables import read_variables
from cgtune.manifests.workload import Annotation, Bytes, Cpus, Flaw, Read, Skipped, Workload
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cgtune.manifests.places import Beside
    from cgtune.manifests.unittext import Section, Setting
    from cgtune.manifests.workload import Place

_SIZES = ("MemoryMax", "MemoryHigh", "MemoryLimit")
_LIMITS = ("CPUQuota", *_SIZES)
_SECTIONS = {"service": "Service", "slice": "Slice"}
_LONGEST_NAME = 255
_OURS = "X-Cgtune"  # systemd ignores sections whose names begin with X-
_OLD = "systemd up to 257 takes it for MemoryMax=; a newer one ignores it with one line in its log, and the unit runs without this limit"
_LOGS = "systemd drops it with one line in its log"


class Part(Record):
    """One file of a unit: the unit itself or a drop-in."""

    lines: Lines
    sections: tuple[Section, ...]
    settings: tuple[Setting, ...]


def is_unit(file: str) -> bool:
    """Whether a file is a service, a slice, or a drop-in of one, by its name."""
    _folder, unit = _unit_of(file)
    return unit.rpartition(".")[2] in _SECTIONS


def read_unit(file: str, text: str, beside: Beside = ALONE) -> Read:
    """The service of a unit file with its drop-ins, or of drop-ins whose unit is not in the input. A drop-in is read with its unit.

    A slice runs nothing: it is a workload only if systemd drops one of its limits.
    """
    folder, unit = _unit_of(file)
    kind = unit.rpartition(".")[2]
    is_drop_in = file.endswith(".conf")
    if is_drop_in:
        what = _read_with(file, folder, unit, beside)
        if what is not None:
            return Read(skipped=(Skipped(file=file, line=1, why=f"a drop-in, which is read with {what}"),))
    try:
        parts = _parts(folder, unit, None if is_drop_in else (file, text), beside) or [_part(file, text)]
        limits, flaws = _read_limits(parts, _SECTIONS[kind])
        if kind == "slice" and not flaws:
            return Read(skipped=(Skipped(file=file, line=1, why="a slice, which limits units and runs no program"),))
        workload = _workload(parts, unit, limits, flaws, beside)
        return Read(workloads=(workload.replace(**_slice_limits(parts, folder, beside)) if kind == "service" else workload,))
    except Malformed as error:
        return Read(skipped=(Skipped(file=file, line=1, why=str(error)),))


def _read_with(file: str, folder: str, unit: str, beside: Beside) -> str | None:
    """What a drop-in is read with; None if it stands for its unit, as the first of those whose unit is not in the input."""
    name, _, kind = unit.rpartition(".")
    if not name:
        return f"each {kind}"
    if beside.read(join_path(folder, unit)) is not None:
        return unit
    return None if next(_drop_ins(folder, unit, beside), file) == file else f"the others of {unit}"


def _unit_of(file: str) -> tuple[str, str]:
    """Returns (the folder that the unit lies in, the unit's name), for drop-ins too."""
    folder, _, name = file.rpartition("/")
    if name.endswith(".conf"):
        folder, _, name = folder.rpartition("/")
        return folder, name.removesuffix(".d") if name.endswith(".d") else ""
    return folder, name


def _part(file: str, text: str) -> Part:
    sections, settings = parse_unit(text)
    return Part(lines=Lines(file, text), sections=sections, settings=settings)


def _parts(folder: str, unit: str, main: tuple[str, str] | None, beside: Beside) -> list[Part]:
    """The unit's own file, if it is there, and its drop-ins in the order in which they take effect."""
    files = [] if main is None else [main]
    files += [(file, text) for file in _drop_ins(folder, unit, beside) if (text := beside.read(file)) is not None]
    return [_part(file, text) for file, text in files]


def _drop_ins(folder: str, unit: str, beside: Beside) -> Iterator[str]:
    """Files of X.service.d, and of the folders for a template, for names with that beginning, and for all services: by their names.

    Of two with one name that of the nearest folder counts (systemd.unit(5)).
    """
    name, _, kind = unit.rpartition(".")
    prefix, at, instance = name.partition("@")
    stems = [name, *([f"{prefix}@"] if instance else [])]
    dashed = prefix.split("-")
    stems += ["-".join(dashed[:count]) + "-" + at for count in range(len(dashed) - 1, 0, -1)]
    found: dict[str, str] = {}
    for place in [*(f"{stem}.{kind}.d" for stem in stems), f"{kind}.d"]:
        for one in beside.names(join_path(folder, place)):
            if one.endswith(".conf"):
                found.setdefault(one, f"{join_path(folder, place)}/{one}")
    yield from (found[one] for one in sorted(found))


def _read_limits(parts: list[Part], section: str) -> tuple[dict[str, Cpus | Bytes], tuple[Flaw, ...]]:
    """Returns (the limits that hold, by key; what was dropped and not set right later)."""
    limits: dict[str, Cpus | Bytes] = {}
    flaws: dict[str, list[Flaw]] = {}
    for part in parts:
        for setting in part.settings:
            key = next((key for key in _LIMITS if key.lower() == setting.key.lower()), None)
            if key is None or setting.section.startswith("X-"):
                continue
            place = part.lines.place(setting.offset(0), setting.end)
            amount, why = _read_limit(key, setting, place, section)
            if why is not None:
                held = limits.get(key)
                instead = f"{held.written} of line {held.place.line} holds" if held is not None else "the unit runs without this limit"
                detail = f"{why}; {_LOGS}, and {instead}"
                flaws.setdefault(key, []).append(
                    Flaw(what=key, written=setting.value, cause="dropped", detail=detail, place=place, meant=_meant(key, setting))
                )
                continue
            flaws.pop(key, None)
            limits.pop(key, None)
            if amount is not None:
                limits[key] = amount
    old = limits.get("MemoryLimit")
    if old is not None and "MemoryMax" not in limits:
        flaws.setdefault("MemoryLimit", []).append(
            Flaw(what="MemoryLimit", written=old.written, cause="dropped", detail=_OLD, place=old.place)
        )
    return limits, tuple(flaw for of_key in flaws.values() for flaw in of_key)


def _meant(key: str, setting: Setting) -> str | None:
    """How the value has to be written, if the value is what is wrong."""
    if setting.key != key:
        return None
    meant = meant_cpu_quota(setting.value) if key == "CPUQuota" else meant_size(setting.value)
    return None if meant == setting.value else meant


def _read_limit(key: str, setting: Setting, place: Place, section: str) -> tuple[Cpus | Bytes | None, str | None]:
    """Returns (the amount, None if the assignment is empty; why systemd does not take it)."""
    value = setting.value
    if setting.section != section:
        return (
            None,
            f"it stands in [{setting.section}], and systemd reads it in [{section}] alone" if setting.section else "no section is above it",
        )
    if setting.key != key:
        return None, f"systemd knows no {setting.key}=; it is {key}="
    if not value:
        return None, None
    if key == "CPUQuota":
        cores = parse_cpu_quota(value)
        return (None, why_no_cpu_quota(value)) if cores is None else (Cpus(written=value, cores=cores, place=place), None)
    if value == "infinity":
        return Bytes(written=value, size_bytes=None, place=place), None
    if parse_share(value):
        return Bytes(written=value, size_bytes=None, place=place, unknown="a share of the machine's memory, which is not known here"), None
    size = parse_size(value)
    return (None, why_no_size(key, value)) if size is None else (Bytes(written=value, size_bytes=size, place=place), None)


def _slice_limits(parts: list[Part], folder: str, beside: Beside) -> dict[str, Cpus | Bytes | None]:
    """The least limits of the service's slice and of those above it, as far as they are in the input."""
    named = (_last(parts, "Service", "Slice") or "system.slice")[:_LONGEST_NAME]
    stem = named.removesuffix(".slice").split("-")
    quotas: list[Cpus] = []
    sizes: list[Bytes] = []
    for count in range(len(stem), 0, -1):
        unit = "-".join(stem[:count]) + ".slice"
        text = beside.read(join_path(folder, unit))
        above = _parts(folder, unit, None if text is None else (join_path(folder, unit), text), beside)
        limits, _flaws = _read_limits(above, "Slice")
        quotas += [one for one in limits.values() if isinstance(one, Cpus) and one.cores is not None]
        sizes += [one for key, one in limits.items() if isinstance(one, Bytes) and key != "MemoryHigh" and one.size_bytes is not None]
    return {
        "pod_cpu_limit": min(quotas, key=lambda one: one.cores or 0.0, default=None),
        "pod_memory_limit": min(sizes, key=lambda one: one.size_bytes or 0, default=None),
    }


def _last(parts: list[Part], section: str, key: str) -> str | None:
    """The last value of a setting that is written once; None if there is none, or an empty one."""
    values = [one.value for part in parts for one in part.settings if (one.section, one.key) == (section, key)]
    return values[-1] or None if values else None


def _workload(parts: list[Part], unit: str, limits: dict[str, Cpus | Bytes], flaws: tuple[Flaw, ...], beside: Beside) -> Workload:
    first = parts[0]
    section = _SECTIONS[unit.rpartition(".")[2]]
    heads = [one for one in first.sections if one.name == section] or [*first.sections]
    end = len(first.lines.text)
    place = first.lines.place(heads[0].start, heads[0].end) if heads else first.lines.place(0, min(1, end))
    cpu, memory, high = limits.get("CPUQuota"), limits.get("MemoryMax") or limits.get("MemoryLimit"), limits.get("MemoryHigh")
    assert cpu is None or isinstance(cpu, Cpus)
    assert not isinstance(memory, Cpus)
    assert not isinstance(high, Cpus)
    found = read_variables(parts, unit, beside)
    command, commanded = _read_command(parts, unit)
    workload = Workload(
        kind="systemd",
        subject=unit,
        container=unit.rpartition(".")[0],
        role="unit",
        place=place,
        document=first.lines.place(0, end),
        cpu_limit=cpu,
        memory_limit=memory,
        memory_high=high,
        cpuset=_read_cpuset(parts, section),
        variables=found.variables,
        unread_variables=found.unread,
        command=command,
        command_place=None if commanded is None else commanded[0].lines.place(commanded[1].offset(0), commanded[1].end),
        annotations=_read_annotations(parts),
        env_place=found.place,
        flaws=flaws + found.flaws,
    )
    return workload if commanded is None else join_command(workload, commanded[0].lines.text, commanded[0].lines.place)


def _read_command(parts: list[Part], unit: str) -> tuple[tuple[str, ...], tuple[Part, Setting] | None]:
    """Returns (the words of the first ExecStart=, where it is). Prefixes such as - and @ are not part of the program's name."""
    settings = [(part, one) for part in parts for one in part.settings if (one.section, one.key) == ("Service", "ExecStart")]
    resets = [index for index, (_part, one) in enumerate(settings) if not one.value]
    kept = settings[resets[-1] + 1 :] if resets else settings
    if not kept:
        return (), None
    words = [expand_specifiers(word.text, unit).text or word.text for word in parse_words(kept[0][1].value, relaxed=True)[0]]
    prefix = words[0][: len(words[0]) - len(words[0].lstrip("-@:+!|"))] if words else ""
    command = [words[0][len(prefix) :], *words[2 if "@" in prefix else 1 :]] if words else []
    if ";" in command:
        command = command[: command.index(";")]
    return tuple(word.removeprefix("\\") if word == "\\;" else word for word in command), kept[0]


def _read_cpuset(parts: list[Part], section: str) -> Cpus | None:
    """AllowedCPUs=, or else CPUAffinity=: ranges of CPUs. Several assignments add up, an empty one resets."""
    from cgtune.manifests.amounts import parse_cpus

    for key in ("AllowedCPUs", "CPUAffinity"):
        cpus: frozenset[int] = frozenset()
        last: tuple[Part, Setting] | None = None
        for part in parts:
            for setting in (one for one in part.settings if (one.section, one.key) == (section, key)):
                more = parse_cpus(setting.value)
                if not setting.value:
                    cpus, last = frozenset(), None
                elif more is not None:
                    cpus, last = cpus | more, (part, setting)
        if last is not None:
            place = last[0].lines.place(last[1].offset(0), last[1].end)
            return Cpus(written=last[1].value, cores=float(len(cpus)), place=place)
    return None


def _read_annotations(parts: list[Part]) -> tuple[Annotation, ...]:
    """What [X-Cgtune] says: ``go=1.24`` is cgtune.dev/go."""
    return tuple(
        Annotation(name=f"cgtune.dev/{one.key.lower()}", value=one.value, place=part.lines.place(one.offset(0), one.end))
        for part in parts
        for one in part.settings
        if one.section == _OURS
    )
