"""The fields of a service in a Compose file, through all files that it comes from. Pure."""

from __future__ import annotations

from cgtune.errors import Malformed
from cgtune.manifests.amounts import parse_cpus, parse_docker_size, parse_float
from cgtune.manifests.envfiles import MOST_LETTERS, parse_compose_variables
from cgtune.manifests.interpolation import interpolate
from cgtune.manifests.places import Lines, join_path
from cgtune.manifests.workload import MOST_HIDDEN, Annotation, Bytes, Cpus, Flaw, Variable
from cgtune.manifests.yamltext import entries, find, items, text_of, value_of
from cgtune.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cgtune.manifests.interpolation import Lookup
    from cgtune.manifests.places import Beside
    from cgtune.manifests.scalars import Scalar
    from cgtune.manifests.workload import Place
    from cgtune.manifests.yamltext import Document, Node

_USUAL_PERIOD_US = 100_000
_FROM_OUTSIDE = "whoever runs Compose passes it on"


class Layer(Record):
    """A service as one file has it. ``node`` may be any node below it."""

    document: Document
    node: Node
    folder: str


class Amounts(Record):
    """What a service may use. ``place`` is that of deploy.resources."""

    cpu_limit: Cpus | None
    cpu_request: Cpus | None
    memory_limit: Bytes | None
    memory_request: Bytes | None
    cpuset: Cpus | None
    place: Place | None
    flaws: tuple[Flaw, ...]


class Given(Record):
    """The variables of a service, sources that could not be read in words, and the place of its own list of variables."""

    variables: tuple[Variable, ...]
    unread: tuple[str, ...]
    place: Place | None


def _get(layers: Sequence[Layer], *path: str) -> Layer | None:
    """The value at that path of keys, of the last file that has it."""
    for layer in reversed(layers):
        node = find(layer.node, *path)
        if node is not None:
            return layer.replace(node=node)
    return None


def _value(layer: Layer, lookup: Lookup) -> tuple[Scalar, str | None]:
    """Returns (a scalar with its variables filled in, None if that is not known; then why)."""
    value = value_of(layer.node)
    return interpolate(value, lookup) if isinstance(value, str) else (value, None)


def _written(layer: Layer) -> str:
    return str(layer.node.value) if layer.node.id == "scalar" else layer.node.id


def read_image(layers: Sequence[Layer], lookup: Lookup) -> tuple[str | None, Place | None]:
    """Returns (the image, as it is written if a variable in it is not known; its place)."""
    layer = _get(layers, "image")
    if layer is None:
        return None, None
    value, _unknown = _value(layer, lookup)
    return value if isinstance(value, str) else _written(layer), layer.document.place(layer.node)


def read_amounts(layers: Sequence[Layer], lookup: Lookup) -> Amounts:
    """Limits and reservations. Those below deploy: and the others may stand together only if they are equal."""
    flaws: list[Flaw] = []
    limits = ("deploy", "resources", "limits")
    reserved = ("deploy", "resources", "reservations")
    resources = _get(layers, "deploy", "resources")
    cpus = [_cpus(_get(layers, *limits, "cpus"), lookup, flaws), _cpus(_get(layers, "cpus"), lookup, flaws)]
    sizes = [
        _size(_get(layers, *limits, "memory"), lookup, flaws, is_text=True),
        _size(_get(layers, "mem_limit"), lookup, flaws, is_text=False),
    ]
    for name, (one, other) in (("cpus", cpus), ("memory", sizes)):
        if one is not None and other is not None and _amount(one) != _amount(other):
            detail = f"Compose refuses the file: deploy.resources.limits has {one.written} for it"
            flaws.append(Flaw(what=name, written=other.written, cause="bad-quantity", detail=detail, place=other.place))
    return Amounts(
        cpu_limit=cpus[0] or cpus[1] or _quota(layers, lookup),
        cpu_request=_cpus(_get(layers, *reserved, "cpus"), lookup, flaws),
        memory_limit=sizes[0] or sizes[1],
        memory_request=_size(_get(layers, *reserved, "memory"), lookup, flaws, is_text=True)
        or _size(_get(layers, "mem_reservation"), lookup, flaws, is_text=False),
        cpuset=_cpuset(_get(layers, "cpuset"), lookup),
        place=None if resources is None else resources.document.place(resources.node),
        flaws=tuple(flaws),
    )


def _amount(one: Cpus | Bytes) -> object:
    """What it comes to; what is not known is equal to nothing but itself as it is written."""
    return one.written if one.unknown else one.cores if isinstance(one, Cpus) else one.size_bytes


def _refused(layer: Layer, what: str, why: str) -> Flaw:
    detail = f"Compose refuses the file: {why}"
    return Flaw(what=what, written=_written(layer), cause="bad-quantity", detail=detail, place=layer.document.place(layer.node))


def _cpus(layer: Layer | None, lookup: Lookup, flaws: list[Flaw]) -> Cpus | None:
    if layer is None:
        return None
    value, unknown = _value(layer, lookup)
    place = layer.document.place(layer.node)
    if unknown is not None:
        return Cpus(written=_written(layer), cores=None, place=place, unknown=unknown)
    cores = (
        parse_float(value) if isinstance(value, str) else value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    )
    if cores is None:
        flaws.append(_refused(layer, "cpus", "cpus is no plain number, as in cpus: 0.5"))
        return None
    return Cpus(written=_written(layer), cores=float(cores) if cores > 0 else None, place=place)


def _quota(layers: Sequence[Layer], lookup: Lookup) -> Cpus | None:
    """cpu_quota over cpu_period, in µs. What is no whole number is dropped or refused."""
    layer, period = _get(layers, "cpu_quota"), _get(layers, "cpu_period")
    if layer is None:
        return None
    quota_us, unknown = _whole(layer, lookup)
    period_us, unknown_period = (_USUAL_PERIOD_US, None) if period is None else _whole(period, lookup)
    place = layer.document.place(layer.node)
    if unknown or unknown_period:
        return Cpus(written=_written(layer), cores=None, place=place, unknown=unknown or unknown_period)
    cores = quota_us / period_us if quota_us is not None and quota_us > 0 and period_us else None
    return Cpus(written=_written(layer), cores=cores, place=place)


def _whole(layer: Layer, lookup: Lookup) -> tuple[int | None, str | None]:
    value, unknown = _value(layer, lookup)
    if isinstance(value, str) and len(value) <= 20 and value.isascii() and value.removeprefix("-").isdigit():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None, unknown


def _size(layer: Layer | None, lookup: Lookup, flaws: list[Flaw], *, is_text: bool) -> Bytes | None:
    """``is_text``: below deploy:, where a number that is no text is refused."""
    if layer is None:
        return None
    value, unknown = _value(layer, lookup)
    written, place = _written(layer), layer.document.place(layer.node)
    if unknown is not None:
        return Bytes(written=written, size_bytes=None, place=place, unknown=unknown)
    if isinstance(value, str):
        size = parse_docker_size(value)
        if size is None:
            flaws.append(_refused(layer, "memory", "it is no size, as in 512m or 1.5g"))
            return None
    elif isinstance(value, bool) or value is None or is_text:
        flaws.append(
            _refused(layer, "memory", "deploy takes a size as text, as in memory: 512m" if is_text else "it is no size, as in 512m")
        )
        return None
    elif isinstance(value, float) or value >= 1 << 63:
        # findings/docker-compose-float-memory.sh
        detail = "Docker Compose drops a size that is a number with a point or an exponent, without a word: the container runs without it"
        meant = str(int(value)) if 0 < value < 1 << 63 and value == int(value) else None
        flaws.append(Flaw(what="memory", written=written, cause="dropped", detail=detail, place=place, meant=meant))
        return None
    else:
        size = value
    return Bytes(written=written, size_bytes=size if size > 0 else None, place=place)


def _cpuset(layer: Layer | None, lookup: Lookup) -> Cpus | None:
    if layer is None:
        return None
    value, unknown = _value(layer, lookup)
    cpus = None if value is None else parse_cpus(str(value))
    if cpus is None and unknown is None:
        return None
    cores = None if cpus is None else float(len(cpus))
    return Cpus(written=_written(layer), cores=cores, place=layer.document.place(layer.node), unknown=unknown)


def read_command(layers: Sequence[Layer], lookup: Lookup) -> tuple[tuple[str, ...], Layer | None]:
    """Returns (entrypoint and command, where the first of them is written)."""
    found = [layer for key in ("entrypoint", "command") if (layer := _get(layers, key)) is not None]
    return tuple(word for layer in found for word in _words(layer, lookup)), found[0] if found else None


def _words(layer: Layer, lookup: Lookup) -> list[str]:
    import shlex

    if layer.node.id == "sequence":
        words = [_value(layer.replace(node=one), lookup)[0] for one in items(layer.node)]
        return [str(word) if word is not None else "" for word in words]
    value, _unknown = _value(layer, lookup)
    try:
        return shlex.split(value if isinstance(value, str) else _written(layer))
    except ValueError:
        return []


def read_annotations(layers: Sequence[Layer], lookup: Lookup) -> tuple[Annotation, ...]:
    """The labels."""
    found = {}
    for layer in layers:
        node = find(layer.node, "labels")
        for pair in [] if node is None else _pairs(layer.replace(node=node), lookup):
            found[pair.name] = Annotation(name=pair.name, value=pair.value or "", place=pair.place)
    return tuple(found.values())


def read_variables(layers: Sequence[Layer], lookup: Lookup, beside: Beside) -> Given:
    """The variables of the files, and over them those of environment:."""
    variables: dict[str, Variable] = {}
    unread: list[str] = []
    for layer in layers:
        for path in _env_files(layer, lookup):
            unread += _read_file(variables, path, layer, lookup, beside)
    place = None
    for layer in layers:
        node = find(layer.node, "environment")
        if node is not None:
            layer.document.spend(len(node.value))
            place = layer.document.place(node)
            _set_pairs(variables, _pairs(layer.replace(node=node), lookup))
    return Given(variables=tuple(variables.values()), unread=tuple(unread), place=place)


def _env_files(layer: Layer, lookup: Lookup) -> list[str]:
    node = find(layer.node, "env_file")
    listed = items(node) if node is not None and node.id == "sequence" else [node] if node is not None else []
    named = [find(one, "path") if one.id == "mapping" else one for one in listed]
    return [interpolate(path, lookup)[0] or path for path in map(text_of, named) if path is not None]


def _read_file(variables: dict[str, Variable], path: str, layer: Layer, lookup: Lookup, beside: Beside) -> list[str]:
    """Sets the variables of one file; returns why it could not be read, if so."""
    file = join_path(layer.folder, path)
    text = beside.read(file)
    if text is None:
        return [f"env_file {path}, which is not in the input"]
    if len(text) > MOST_LETTERS:
        return [f"env_file {path}, which is too large to be one"]
    try:
        found = parse_compose_variables(text, lookup)
    except Malformed as error:
        return [f"env_file {path}: {error}"]
    lines = Lines(file, text)
    for entry in found:
        variables.pop(entry.name, None)
        variables[entry.name] = Variable(
            name=entry.name,
            value=entry.value,
            origin="env-file",
            place=lines.place(entry.start, entry.end),
            entry=lines.place(entry.name_start, entry.end),
            name_place=lines.place(entry.name_start, entry.name_start + len(entry.name)),
            unknown=entry.unknown,
        )
    return []


class _Pair(Record):
    """One entry of a mapping, or one NAME=value of a list."""

    name: str
    value: str | None
    unknown: str | None
    place: Place
    name_place: Place
    entry: Place


def _pairs(layer: Layer, lookup: Lookup) -> list[_Pair]:
    return [_listed(layer.replace(node=one), lookup) for one in items(layer.node) if text_of(one) is not None] or [
        _mapped(layer.replace(node=value), name, key, lookup) for name, key, value in entries(layer.node)
    ]


def _mapped(layer: Layer, name: str, key: Node, lookup: Lookup) -> _Pair:
    value, unknown = _value(layer, lookup)
    place, name_place = layer.document.place(layer.node), layer.document.place(key)
    if value is None and unknown is None:
        unknown = _FROM_OUTSIDE
    text = None if value is None else _render(value, _written(layer))
    start = key.start_mark.index
    entry = layer.document.span(start, max(start, layer.node.end_mark.index)) if layer.node.id == "scalar" else name_place
    return _Pair(name=name, value=text, unknown=unknown, place=place, name_place=name_place, entry=entry)


def _listed(layer: Layer, lookup: Lookup) -> _Pair:
    """A NAME=value; its parts are found again in the text if no escape hides them."""
    name, equals, written = (text_of(layer.node) or "").partition("=")
    value, unknown = interpolate(written, lookup) if equals else (None, _FROM_OUTSIDE)
    entry = layer.document.place(layer.node)
    begin, end = entry.start - layer.document.start, entry.end - layer.document.start
    at = layer.document.text.find(f"{name}={written}", begin, end) if equals else -1
    if at < 0:
        return _Pair(name=name, value=value, unknown=unknown, place=entry, name_place=entry, entry=entry)
    middle = at + len(name)
    place, name_place = layer.document.span(middle + 1, middle + 1 + len(written)), layer.document.span(at, middle)
    return _Pair(name=name, value=value, unknown=unknown, place=place, name_place=name_place, entry=entry)


def _set_pairs(variables: dict[str, Variable], pairs: Sequence[_Pair]) -> None:
    entries_of: dict[str, list[Place]] = {}
    for pair in pairs:
        hides = tuple(entries_of.get(pair.name, ())[-MOST_HIDDEN:])
        entries_of.setdefault(pair.name, []).append(pair.entry)
        variables.pop(pair.name, None)
        variables[pair.name] = Variable(
            name=pair.name,
            value=pair.value,
            origin="literal",
            place=pair.place,
            entry=pair.entry,
            name_place=pair.name_place,
            hides=hides,
            unknown=pair.unknown,
        )


def _render(value: Scalar, written: str) -> str:
    """A value as Compose hands it on: numbers as Go prints them, 536870912.0 as 5.36870912e+08."""
    if isinstance(value, bool):
        return written.lower() if written.lower() in ("true", "false") else written
    if isinstance(value, float) or (isinstance(value, int) and not -(1 << 63) <= value < 1 << 64):
        return _render_float(float(value))
    return str(value)


def _render_float(value: float) -> str:
    """Go's %v: the shortest digits, with an exponent below 0.0001 and from a million on (strconv/ftoa.go)."""
    from decimal import Decimal

    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    if not isinstance(exponent, int):
        return {"n": "NaN", "F": "-Inf" if sign else "+Inf"}.get(str(exponent), str(value))
    point = len(digits) + exponent - 1
    text = "".join(map(str, digits))
    if -4 <= point < 6:
        return f"{value:.{max(-exponent, 0)}f}"
    rest = f".{text[1:]}" if len(text) > 1 else ""
    return f"{'-' if sign else ''}{text[0]}{rest}e{point:+03d}"
