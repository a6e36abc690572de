"""The file from which a Go runtime learns its CPU quota, and what it reads there: Go 1.25's way and that of 1.26 and later.

A mirror of internal/runtime/cgroup, bugs included: it finds what Go finds, not what holds. Where the kernel's truth is wanted, this
module is the wrong one. The texts are the target process's own /proc/self/cgroup and /proc/self/mountinfo, byte for byte; the paths
are as that process spells them.
What is not covered: a text of /proc that changes while the runtime reads it, and files whose last read fails half-way.
"""

from __future__ import annotations

from cgtune.errors import Malformed
from cgtune.records import Record
from cgtune.runtimes.go.derived.grammar import parse_integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cgtune.model import QuotaCause

    ReadLimit = Callable[[str], str | bytes | None]

_PATH_MAX = 4096
_LINE_MAX = 4 * 4 * _PATH_MAX  # the runtime's scratch space: a line and its newline have to fit
_CONTENT_MAX = 64  # a file that fills this buffer is malformed


class LimitSeen(Record):
    """What a runtime sees of its CPU quota. ``cause`` is why there is none, ``why`` the same for a person; both are None if there is one.

    ``files`` are the files that the runtime opens: cpu.max, or quota and period; empty if the runtime never gets as far as opening one.
    They stay open for good if the program is container-aware. ``dies`` is what the runtime prints when the texts kill it.
    """

    version: int | None = None
    files: tuple[str, ...] = ()
    quota_us: int | None = None
    period_us: int | None = None
    cause: QuotaCause | None = None
    why: str | None = None
    dies: str | None = None


class _Unusable(Exception):
    """The runtime gives up here and goes on as if there were no cgroup. ``why`` is for a person."""

    def __init__(self, cause: QuotaCause, why: str) -> None:
        super().__init__(why)
        self.cause, self.why = cause, why


class _Fatal(Exception):
    """The runtime kills the process here. The text is what it prints."""


def locate_limit(minor: int, cgroup: str | bytes, mountinfo: str | bytes, read_limit: ReadLimit) -> LimitSeen:
    """What Go 1.``minor`` (1.25 or later) finds and reads, given its /proc/self/cgroup and /proc/self/mountinfo.

    ``read_limit`` gives the content of a file by the path that the target process uses, None if that process cannot open it.
    A text that is not there at all is the empty text.
    """
    found = _locate_folder(cgroup, mountinfo, is_new=minor >= 26)
    if isinstance(found, LimitSeen):
        return found
    version, folder = found
    names = (b"/cpu.max",) if version == 2 else (b"/cpu.cfs_quota_us", b"/cpu.cfs_period_us")
    files: list[str] = []
    contents: list[bytes] = []
    for name in names:
        path = _opened_path(folder + name)
        if path is None:
            return LimitSeen(version=version, cause="too-long", why=f"the path of {name[1:].decode()} is longer than {_PATH_MAX - 1} bytes")
        content = read_limit(path)
        if content is None:
            return LimitSeen(version=version, cause="not-opened", why=f"{shown_path(path)} cannot be opened")
        files.append(path)
        contents.append(_bytes(content))
    return parse_limit(minor, version, tuple(contents)).replace(files=tuple(files))


_LAST_TEXTS = 8
_LAST_FOLDERS: dict[tuple[str | bytes, str | bytes, bool], tuple[int, bytes] | LimitSeen] = {}


def _locate_folder(cgroup: str | bytes, mountinfo: str | bytes, *, is_new: bool) -> tuple[int, bytes] | LimitSeen:
    """The hierarchy's version and the folder that the runtime comes to, or why it comes to none; found once for the same texts in a row."""
    key = (cgroup, mountinfo, is_new)
    found = _LAST_FOLDERS.get(key)
    if found is None:
        try:
            found = (_locate_new if is_new else _locate_old)(_bytes(cgroup), _bytes(mountinfo))
        except _Unusable as end:
            found = LimitSeen(cause=end.cause, why=end.why)
        except _Fatal as death:
            found = LimitSeen(cause="dies", why="the runtime dies while it looks for its cgroup", dies=str(death))
        while len(_LAST_FOLDERS) >= _LAST_TEXTS:
            _LAST_FOLDERS.pop(next(iter(_LAST_FOLDERS)), None)
        _LAST_FOLDERS[key] = found
    return found


def parse_limit(minor: int, version: int, contents: tuple[str | bytes, ...]) -> LimitSeen:
    """What Go 1.``minor`` makes of the limit files' contents: of cpu.max (version 2), or of quota and period (version 1)."""
    raw = [_bytes(content) for content in contents]
    try:
        quota, period = _parse_v2(raw[0], minor) if version == 2 else _parse_v1(raw[0], raw[1], minor)
    except _Unusable as end:
        return LimitSeen(version=version, cause=end.cause, why=end.why)
    return LimitSeen(version=version, quota_us=quota, period_us=period)


def shown_path(path: str) -> str:
    """A path for a person: as it is if it is printable, else quoted with escapes."""
    return path if path.isprintable() else ascii(path)


def _parse_v2(content: bytes, minor: int) -> tuple[int, int]:
    """Quota and period in µs. Raises _Unusable if the runtime finds no limit in them; so does _parse_v1."""
    # "<quota or max> <period>\n"; the period of "max" is not even looked at
    quota_text, space, rest = content.partition(b" ")
    if len(content) >= _CONTENT_MAX or not space:
        raise _Unusable("malformed", f"cpu.max is malformed to Go: {_shown(content)}")
    if quota_text == b"max":
        raise _Unusable("max", "cpu.max says max")
    period_text, newline, _ = rest.partition(b"\n")
    quota, period = _integer(quota_text, minor), _integer(period_text, minor)
    if not newline or quota is None or period is None:
        raise _Unusable("malformed", f"cpu.max is malformed to Go: {_shown(content)}")
    return quota, period  # a negative quota is a limit here


def _parse_v1(quota_content: bytes, period_content: bytes, minor: int) -> tuple[int, int]:
    # one number and a newline in each; the period is read only if the quota is a limit
    quota = _v1_number(quota_content, minor)
    if quota is None:
        raise _Unusable("malformed", f"cpu.cfs_quota_us is malformed to Go: {_shown(quota_content)}")
    if quota < 0:
        raise _Unusable("max", f"cpu.cfs_quota_us is {quota}")
    period = _v1_number(period_content, minor)
    if period is None:
        raise _Unusable("malformed", f"cpu.cfs_period_us is malformed to Go: {_shown(period_content)}")
    return quota, period


def _v1_number(content: bytes, minor: int) -> int | None:
    text, newline, _ = content.partition(b"\n")
    return _integer(text, minor) if newline and len(content) < _CONTENT_MAX else None


def _integer(text: bytes, minor: int) -> int | None:
    return parse_integer(text.decode("latin-1"), minor)


def _locate_old(cgroup: bytes, mountinfo: bytes) -> tuple[int, bytes]:
    """Go 1.25: mount point and path are looked up apart from each other and put together, whatever the mount's root is."""
    mount_point = _old_mount_point(mountinfo)
    version, path = _membership(cgroup, checks_path=False)
    return version, mount_point + path


def _locate_new(cgroup: bytes, mountinfo: bytes) -> tuple[int, bytes]:
    """Go 1.26 and later: the membership decides the version; the first mount of it whose root holds the path is taken."""
    version, path = _membership(cgroup, checks_path=True)
    for line in _mountinfo_lines(mountinfo):
        root, mount_point, rest = _mount_fields(line)
        if not root.startswith(b"/"):
            # golang/go, 1.26.0 to 1.27.3: an nsfs line ("net:[4026531833]") before the cgroup's own ends the search
            raise _Unusable("no-path", f"/proc/self/mountinfo has a root that is no path before the cgroup mount: {_shown(line)}")
        if not _is_cpu_mount(rest, version):
            continue
        root = _unescaped(root, most_digit=b"7"[0])
        if not _has_path_prefix(path, root):
            continue
        relative = path[len(root) :]
        if len(root) == 1 and len(path) > 1:
            relative = path
        if _has_path_prefix(relative, b"/.."):
            continue  # outside of what this mount can reach
        return version, _joined(mount_point, relative)
    raise _Unusable("not-mounted", f"no cgroup v{version} mount with the CPU controller reaches {_shown(path)}")


def _joined(mount_point: bytes, relative: bytes) -> bytes:
    room = len(mount_point) - 3 * mount_point.count(b"\\")
    if room + len(relative) > _PATH_MAX:
        raise _Unusable("too-long", "the path of the cgroup is too long")
    if room < 0:  # only with escapes that no kernel writes: copy(out[n:], rel) in parseCPUMount goes out of bounds
        raise _Fatal("fatal error: panic on system stack")
    return _unescaped(mount_point, most_digit=b"7"[0]) + relative


def _membership(cgroup: bytes, *, checks_path: bool) -> tuple[int, bytes]:
    # 4:cpu,cpuacct:/docker/ab -- (1) hierarchy (2) controllers (3) path; a v1 line with cpu decides at once, hierarchy 0 only at the end
    unified = b""
    for line, complete in _lines(cgroup):
        if not complete:
            raise _Unusable("too-long", "/proc/self/cgroup has a line that is too long or without an end")
        fields = line.split(b":", 2)
        if len(fields) < 3:
            raise _Unusable("malformed-text", f"/proc/self/cgroup is malformed: {_shown(line)}")
        hierarchy, controllers, path = fields
        if checks_path and not path.startswith(b"/"):
            raise _Unusable("malformed-text", f"/proc/self/cgroup is malformed: {_shown(line)}")
        if checks_path and len(path) > _PATH_MAX:
            raise _Unusable("too-long", "the path in /proc/self/cgroup is too long")
        if hierarchy == b"0":
            unified = path
        elif b"cpu" in controllers.split(b","):
            return 1, path
    if not unified:
        raise _Unusable("no-membership", "/proc/self/cgroup names no cgroup that could hold the CPU controller")
    return 2, unified


def _old_mount_point(mountinfo: bytes) -> bytes:
    unified = b""
    for line in _mountinfo_lines(mountinfo):
        _, mount_point, rest = _mount_fields(line)
        if rest.startswith(b"cgroup2 "):
            unified = _old_unescaped(mount_point)  # a later one overwrites it, and v1 below beats it
        elif rest.startswith(b"cgroup ") and _is_cpu_mount(rest, 1):
            return _old_unescaped(mount_point)
    if not unified:
        raise _Unusable("not-mounted", "/proc/self/mountinfo has no cgroup mount that could hold the CPU controller")
    return unified


def _mount_fields(line: bytes) -> tuple[bytes, bytes, bytes]:
    # 36 35 98:0 /root /point rw,noatime master:1 - cgroup2 none rw -- gives (4) root, (5) mount point, and all from (9) the type on
    fields = line.split(b" ", 5)
    if len(fields) < 6:
        raise _Unusable("malformed-text", f"/proc/self/mountinfo is malformed: {_shown(line)}")
    end = fields[5].find(b" - ")
    # The separator may not be the end of the line, and the type has to be followed by a blank.
    if end < 0 or b" " not in (rest := fields[5][end + 3 :]):
        raise _Unusable("malformed-text", f"/proc/self/mountinfo is malformed: {_shown(line)}")
    return fields[3], fields[4], rest


def _is_cpu_mount(rest: bytes, version: int) -> bool:
    kind, _, source_and_options = rest.partition(b" ")
    if version == 2:
        return kind == b"cgroup2"
    if kind != b"cgroup":
        return False
    _, blank, options = source_and_options.partition(b" ")
    if not blank:
        raise _Unusable("malformed-text", f"/proc/self/mountinfo is malformed: {_shown(rest)}")
    return b"cpu" in options.split(b",")


def _has_path_prefix(path: bytes, prefix: bytes) -> bool:
    if len(prefix) == 1:
        return True
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/")


def _old_unescaped(text: bytes) -> bytes:
    if len(text) > _PATH_MAX:
        raise _Fatal("fatal error: output too small")
    return _unescaped(text, most_digit=b"9"[0])


def _unescaped(text: bytes, *, most_digit: int) -> bytes:
    # \040 is a blank. Go 1.25 takes the digits 8 and 9 too and lets the byte wrap around, 1.26 refuses both.
    plain = bytearray()
    position = 0
    while position < len(text):
        if text[position] != 0x5C:
            plain.append(text[position])
            position += 1
            continue
        digits = text[position + 1 : position + 4]
        if len(digits) < 3 or not all(0x30 <= digit <= most_digit for digit in digits):
            raise _Unusable("malformed-text", f"/proc/self/mountinfo has a bad escape: {_shown(text)}")
        value = (digits[0] - 0x30) * 64 + (digits[1] - 0x30) * 8 + digits[2] - 0x30
        if most_digit == 0x37 and value > 0xFF:
            raise _Unusable("malformed-text", f"/proc/self/mountinfo has a bad escape: {_shown(text)}")
        plain.append(value & 0xFF)
        position += 4
    return bytes(plain)


def _mountinfo_lines(mountinfo: bytes) -> Iterator[bytes]:
    return (line for line, _ in _lines(mountinfo))  # one that was cut will do, if the fields are all there


def _lines(text: bytes) -> Iterator[tuple[bytes, bool]]:
    """Each line as the runtime's reader gives it: cut to the scratch space, and whether it was complete."""
    position = 0
    while position < len(text):
        end = text.find(b"\n", position, position + _LINE_MAX)
        if end >= 0:
            yield text[position:end], True
            position = end + 1
            continue
        yield text[position : position + _LINE_MAX], False
        end = text.find(b"\n", position)
        position = end + 1 if end >= 0 else len(text)


def _opened_path(path: bytes) -> str | None:
    """The path as the kernel sees it: it ends at a NUL, and has to have one within PATH_MAX."""
    path, nul, _ = path[:_PATH_MAX].partition(b"\0")
    if not nul and len(path) == _PATH_MAX:
        return None
    return path.decode("utf-8", "surrogateescape")


def _bytes(text: str | bytes) -> bytes:
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise Malformed(f"a text that no bytes stand for, at character {error.start}: it was decoded without surrogateescape") from error


def _shown(raw: bytes) -> str:
    return repr(raw[:80].decode("utf-8", "backslashreplace")) + ("..." if len(raw) > 80 else "")
