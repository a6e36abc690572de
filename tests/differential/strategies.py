"""What the kernel might write, and what it never would: texts for both the mirror and Go's own parsers to read.

Most of what is drawn is well-formed and hangs together (a mount's root is made from the membership's path), so that cases reach deep;
then single lines, fields and bytes are spoiled.
"""

from __future__ import annotations

from hypothesis import strategies as st

from cgtune.records import Record

LINE_MAX = 65_536  # the runtime's buffer for one line; lines are drawn on both sides of it
PATH_MAX = 4096


class LimitCase(Record):
    """One process's view. A content is None where there is no such file."""

    cpus: int
    cgroup: bytes
    mountinfo: bytes
    cpu_max: bytes | None
    quota: bytes | None
    period: bytes | None


class EnvironmentCase(Record):
    """The linker's GODEBUG string and the entries of the environment."""

    default_godebug: str
    entries: tuple[tuple[str, str], ...]


def _mostly(usual: int, *unusual: str) -> st.SearchStrategy[str]:
    """One of the unusual words, or "" for all as usual, which comes that many times as often as all of them together."""
    return st.sampled_from([*([""] * (usual * len(unusual))), *unusual])


INTEGERS = st.one_of(
    st.integers(-3, 40),
    st.builds(lambda power, off: (1 << power) + off, st.sampled_from([10, 24, 31, 32, 52, 53, 54, 62, 63, 64]), st.integers(-2, 2)),
    st.integers(0, 1 << 70),
    st.integers(-(1 << 65), 0),
)
PLAIN_NUMBERS = st.sampled_from(["50000", "100000", "250000", "300000", "400001", "1", "2", "1000", "1000000", "0", "-1", "17592186044415"])
SIGNED_NUMBERS = st.builds(
    lambda sign, zeros, n: f"{sign}{'0' * zeros}{abs(n)}", st.sampled_from(["", "-", "+", "+"]), st.sampled_from([0, 0, 1, 30]), INTEGERS
)
SPOILT_NUMBERS = st.sampled_from(
    [
        *("", "-", "+", "--1", "+-1", "-+1", "max", "MAX", "0x10", "1e3", "1_000", "1.5", " 1", "1 ", "\u0661"),
        *("off", "1\0", "1\r", "\t1", "-0", "+0"),
    ]
)
NUMBERS = st.one_of(PLAIN_NUMBERS, PLAIN_NUMBERS, INTEGERS.map(str), SIGNED_NUMBERS, SPOILT_NUMBERS)

_MEMBERS = st.sampled_from(
    [
        *("a", "b", "p", "pq", "docker", "kubepods.slice", "...", "..a", "a:b", "a b", "a\\040b", "x (deleted)", "\u00e9", "cpu"),
        *("..", "c" * 255),
    ]
)
_USUAL_PATHS = st.lists(_MEMBERS, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))
_PATHS = st.one_of(
    _USUAL_PATHS,
    _USUAL_PATHS,
    _USUAL_PATHS,
    st.just("/"),
    _USUAL_PATHS.map(lambda path: "/.." + path),
    st.sampled_from(["", "a", "//", "/a/", "/..", "/../..", "/a//b", "/.", "/a\0b", "/" + "d/" * 2030 + "e"]),
    st.integers(PATH_MAX - 40, PATH_MAX + 3).map(lambda size: "/" + "f" * (size - 1)),
)
_CONTROLLERS = st.sampled_from(
    [
        *("cpu", "cpu,cpuacct", "cpuacct,cpu", "cpuacct", "name=cpu", "name=systemd", "memory", "", "cpu,", ",cpu", "cpuset"),
        *("memory,cpu,io", "CPU", " cpu"),
    ]
)
_OPTIONS = st.one_of(
    _CONTROLLERS.map(lambda names: f"rw,{names}"),
    st.sampled_from(["rw", "rw,nsdelegate,memory_recursiveprot", "cpu", "cpu extra", "rw,cpu rw", "", "ro,xattr,name=systemd", "cpu,rw"]),
)
_ESCAPES = st.sampled_from(
    ["\\040", "\\011", "\\134", "\\000", "\\057", "\\056\\056", "\\377", "\\400", "\\777", "\\999", "\\08", "\\", "\\a40", "\\\\\\"]
)
_USUAL_POINTS = st.sampled_from(["/sys/fs/cgroup", "/sys/fs/cgroup/cpu,cpuacct", "/host/sys/fs/cgroup", "/my\\040c"])
_POINTS = st.one_of(
    *([_USUAL_POINTS] * 5),
    st.sampled_from(["/c", "/", "", "relative"]),
    st.builds(
        lambda before, escape, after: f"/m{before}{escape}{after}", st.sampled_from(["", "n"]), _ESCAPES, st.sampled_from(["", "/x", "1"])
    ),
    st.one_of(
        st.integers(PATH_MAX - 30, PATH_MAX + 2).map(lambda size: "/" + "g" * (size - 1)),
        st.integers(1000, 1030).map(lambda count: "/" + "\\040" * count),
    ),
)
_KINDS = st.sampled_from([*(["cgroup2", "cgroup"] * 4), "overlay", "nsfs", "proc", "cgroup2.x", "cgroups", ""])
_FIELDS = st.sampled_from(["", "shared:9 ", "master:1 ", "shared:9 master:1 propagate_from:2 ", "- ", " ", "unbindable "])


@st.composite
def _roots(draw: st.DrawFn, path: str) -> str:
    """A mount's root that has to do with the membership's path, in one way or another."""
    escaped = path.replace("\\", "\\134").replace(" ", "\\040")
    way = draw(st.sampled_from([*(["/"] * 6), *(["path", "above"] * 3), "outside", "cut", "other"]))
    if way == "/":
        return "/"
    if way == "path":
        return escaped
    if way == "above":
        return escaped.rpartition("/")[0] or "/"
    if way == "outside":
        return draw(st.sampled_from(["/..", "/../..", "/../a"]))
    if way == "cut":
        return escaped[: draw(st.integers(0, len(escaped)))]
    others = [f"{escaped}/more", f"{escaped}x", "/other", "net:[4026531833]", "mnt:[4026532000]", path, "/\\040", "/\\9", "//", "/a", ""]
    return draw(st.sampled_from([*others, escaped.replace("/", "\\057", 1)]))


@st.composite
def _mount_line(draw: st.DrawFn, path: str) -> str:
    number, kind, source = draw(st.integers(20, 400)), draw(_KINDS), draw(st.sampled_from(["cgroup", "none", ""]))
    return f"{number} 23 0:26 {draw(_roots(path))} {draw(_POINTS)} rw,relatime {draw(_FIELDS)}- {kind} {source} {draw(_OPTIONS)}"


@st.composite
def _spoilt(draw: st.DrawFn, line: str) -> str:
    """Mostly the line itself; else one with a field or a blank too much or too little, or one about as long as the buffer."""
    way = draw(_mostly(10, "less", "blank", "cut", "more", "long", "other", "before"))
    if not way:
        return line
    words = line.split(" ")
    place = draw(st.integers(0, len(words) - 1))
    if way == "less":
        return " ".join(words[:place] + words[place + 1 :])
    if way == "blank":
        return " ".join([*words[:place], "", *words[place:]])
    if way == "cut":
        return " ".join(words[:place])
    if way == "more":
        return line + draw(st.sampled_from(["x", " ", ",cpu", "\r", "\0", " - cgroup2 c rw", ":"]))
    if way == "long":
        size = LINE_MAX + draw(st.integers(-3, 3))
        return line + draw(st.sampled_from([",", "", " "])) + "y" * max(size - len(line.encode()) - 1, 0)
    if way == "other":
        return draw(st.sampled_from(["", "garbage", " ", "::", "0", "0:", "a:b", "1 2 3 4 5 6 7 8 9"]))
    return "z" * draw(st.sampled_from([4096, LINE_MAX - 1, LINE_MAX, 2 * LINE_MAX + 5])) + line


@st.composite
def _text(draw: st.DrawFn, lines: list[str]) -> bytes:
    """The lines as a file, which now and then lacks its end, or has one byte that is another."""
    text = "".join(f"{draw(_spoilt(line))}\n" for line in lines).encode()
    way = draw(_mostly(7, "open", "byte", "empty line"))
    if way == "open":
        return text[:-1]
    if way == "byte" and text:
        place = draw(st.integers(0, len(text) - 1))
        return text[:place] + draw(st.binary(max_size=2)) + text[place + draw(st.integers(0, 2)) :]
    if way == "empty line":
        return text.replace(b"\n", b"\n\n", 1)
    return text


def _padded(content: str, size: int) -> bytes:
    raw = content.encode()
    return raw + b"x" * max(size - len(raw), 0)


_ENDS = st.sampled_from([*(["\n"] * 15), "", " \n", "\nfoo\n", "\r\n", "\n\n"])
_SIZES = st.sampled_from([*([0] * 25), 62, 63, 64, 65, 100])
_GAPS = st.sampled_from([*([" "] * 15), "  ", "\t", ""])
_CPU_MAX = st.builds(lambda left, gap, right, end, size: _padded(left + gap + right + end, size), NUMBERS, _GAPS, NUMBERS, _ENDS, _SIZES)
_V1_NUMBER = st.builds(lambda number, end, size: _padded(number + end, size), NUMBERS, _ENDS, _SIZES)


@st.composite
def limit_cases(draw: st.DrawFn) -> LimitCase:
    """A view of the cgroup file system from some process."""
    path = draw(_PATHS)
    own = draw(st.sampled_from([f"0::{path}", f"0::{path}", f"4:cpu,cpuacct:{path}", f"7:cpuacct,cpu:{path}"]))
    kind = "cgroup2 cgroup2 rw" if own.startswith("0") else "cgroup cgroup rw,cpu,cpuacct"
    hierarchies = st.sampled_from(["0", "4", "12", "11", "00", "", "-1"])
    others = st.sampled_from([path, path, "/", "/other"])
    entries = [f"{draw(hierarchies)}:{draw(_CONTROLLERS)}:{draw(others)}" for _ in range(draw(st.integers(0, 2)))]
    entries.insert(draw(st.integers(0, len(entries))), own)
    mounts = draw(st.lists(_mount_line(path), max_size=3))
    if not draw(_mostly(6, "none")):
        mounts.insert(draw(st.integers(0, len(mounts))), f"31 23 0:27 {draw(_roots(path))} {draw(_POINTS)} rw - {kind}")
    absent = draw(_mostly(7, "cpu.max", "quota", "period"))
    return LimitCase(
        cpus=draw(st.sampled_from([1, 2, 3, 8, 16, 64, 4096])),
        cgroup=draw(_text(entries)),
        mountinfo=draw(_text(mounts)),
        cpu_max=None if absent == "cpu.max" else draw(_CPU_MAX),
        quota=None if absent == "quota" else draw(_V1_NUMBER),
        period=None if absent == "period" else draw(_V1_NUMBER),
    )


_RAW_VALUES = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    st.binary(max_size=6).map(lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape")),
)
_UNITS = st.sampled_from(
    [*(["", "B", "KiB", "MiB", "GiB", "TiB"] * 3), *("PiB", "Ki", "Mi", "M", "G", "kiB", "iB", "BB", "KB", " MiB", "\u212aiB")]
)
_COUNTS = st.one_of(PLAIN_NUMBERS, SIGNED_NUMBERS, NUMBERS, st.integers(8_388_600, 8_388_612).map(str))  # about 2^63 / 2^40
_MEMORY = st.builds(lambda number, unit: number + unit, _COUNTS, _UNITS)
_ODD = st.one_of(st.sampled_from(["off", "OFF", "off ", ""]), _RAW_VALUES)
_KEYS = st.sampled_from(
    [
        *(["containermaxprocs", "updatemaxprocs"] * 6),
        *("cgocheck", "containermaxprocs ", " updatemaxprocs", "Containermaxprocs", "", "nosuchsetting", "madvdontneed"),
        *(
            "asynctimerchan",
            "gotypesalias",
            "tls10server",
            "tls3des",
            "tlsrsakex",
            "tlsunsafeekm",
            "x509keypairleaf",
            "x509sha1",
            "tlskyber",
        ),
    ]
)
_SWITCHES = st.sampled_from(["0", "1", "2", "-1", "+0", "+1", "-", "00", "01"])
_SETTINGS = st.builds(
    lambda key, equals, value: key + equals + value,
    _KEYS,
    st.sampled_from([*(["="] * 8), "", "=="]),
    st.one_of(_SWITCHES, _SWITCHES, NUMBERS, _RAW_VALUES),
)
GODEBUG = st.one_of(
    st.lists(_SETTINGS, max_size=3).map(lambda fields: ",".join(fields).replace("\0", "")),
    st.sampled_from(["containermaxprocs=0,updatemaxprocs=0", ""]),
)
_ENTRIES = st.one_of(
    st.tuples(st.just("GOMAXPROCS"), st.one_of(NUMBERS, NUMBERS, SIGNED_NUMBERS, _ODD)),
    st.tuples(st.just("GOMEMLIMIT"), st.one_of(_MEMORY, _MEMORY, _MEMORY, NUMBERS, _ODD)),
    st.tuples(st.just("GOGC"), st.one_of(NUMBERS, NUMBERS, SIGNED_NUMBERS, _ODD)),
    st.tuples(st.just("GODEBUG"), GODEBUG),
    st.tuples(st.sampled_from(["GOMAXPROCS ", "gomaxprocs", "", "GOGC2", "PATH"]), _ODD),
).map(lambda entry: (entry[0], entry[1].replace("\0", "")))


def environment_cases() -> st.SearchStrategy[EnvironmentCase]:
    """An environment with some of Go's variables, in any order, some of them twice."""
    entries = st.lists(_ENTRIES, max_size=6).map(tuple)
    return st.builds(lambda godebug, drawn: EnvironmentCase(default_godebug=godebug, entries=drawn), GODEBUG, entries)
