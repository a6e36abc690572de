"""Units of systemd read as systemd reads them: grammar, limits, variables, drop-ins and slices; and the installed systemd asked itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from cgtune.manifests.systemd import is_unit, read_unit
from cgtune.manifests.workload import Place, Workload
from tests.manifests.test_unitamounts import NO_QUOTAS, NO_SIZES, QUOTAS, SIZES
from tests.support.inputs import beside
from tests.support.needs import require

_SYSTEMD = Path("/lib/systemd/systemd")
_EXEC = "ExecStart=/bin/true\n"

# Units by name; what is compared with systemd: limits, variables, the first command
UNITS = {
    "words": '[Service]\nEnvironment=A=1 B=2\nEnvironment="C=x y" D="z w" E=\'q"r\' F=a\\x41b H="a\\"b" I="a\\\nb"\n' + _EXEC,
    "specifiers": "[Service]\nEnvironment=A=%n B=%N C=%p D=%i F=%% G=%j H=5% I=%P\nExecStart=/bin/true %% %n\n",
    "no-such-specifier": "[Service]\nEnvironment=A=1 B=50%\nEnvironment=C=%Z D=%1\nEnvironment=E=2\n" + _EXEC,
    "open-quote": '[Service]\nEnvironment=A=1 "B=2\nEnvironment=C=3\n' + _EXEC,
    "no-such-escape": '[Service]\nEnvironment=A=1 B=x\\q C=3\nEnvironment=D="a"b E=a"b c"d\n' + _EXEC,
    "no-nul": "[Service]\nEnvironment=A=1 B=\\x00 C=3\n" + _EXEC,
    "reset": "[Service]\nEnvironment=A=1\nEnvironment=\nEnvironment=B=2\nCPUQuota=50%\nCPUQuota=\nMemoryMax=1G\nMemoryMax=\n" + _EXEC,
    "dropped-after-good": "[Service]\nCPUQuota=50%\nCPUQuota=0.5\nMemoryMax=1G\nMemoryMax=512Mi\n" + _EXEC,
    "good-after-dropped": "[Service]\nCPUQuota=0.5\nCPUQuota=50%\nMemoryHigh=infinity\n" + _EXEC,
    "letter-case": "[service]\nCPUQuota=50%\n[Service]\ncpuquota=60%\nCPUQuota = 70% \n" + _EXEC,
    "wrong-section": "[Unit]\nCPUQuota=50%\n[Service]\n" + _EXEC + "[Install]\nEnvironment=A=1\n",
    "no-section": "CPUQuota=50%\n[Service]\n" + _EXEC,
    "two-sections": "[Service]\nCPUQuota=50%\n[Unit]\nDescription=x\n[Service]\nMemoryMax=1G\n" + _EXEC,
    "foreign-section": "[X-Foo]\nCPUQuota=30%\n[Service]\nX-Bar=1\n" + _EXEC,
    "continued": "[Service]\nEnvironment=A=1 \\\n# comment\n  B=2 \\\n; other\n\tC=3\n  # indented\nCPUQuota=5\\\n0%\n#c \\\nMemoryMax=1G\n"
    + _EXEC,
    "continued-by-nothing": "[Service]\nEnvironment=A=1 \\\n\nB=2\n" + _EXEC,
    "blank-behind-backslash": "[Service]\nEnvironment=A=1 \\  \nB=2\n" + _EXEC,
    "two-backslashes": "[Service]\nEnvironment=A=1\\\\\nB=2\n" + _EXEC,
    "comment-in-quotes": '[Service]\nEnvironment="A=x\\\n# c\ny"\n' + _EXEC,
    "backslash-at-the-end": "[Service]\n" + _EXEC + "Environment=\\\n  A=1\\\n  B=2\nMemoryMax=1G \\",
    "comment-behind": "[Service]\nCPUQuota=50% # half\nMemoryMax=1G ; x\nEnvironment=A=1 # B=2\n" + _EXEC,
    "no-names": '[Service]\nEnvironment=1A=1 A-B=2 =3 C D= _E=4 é=1 "F =1"\n' + _EXEC,
    "twice": "[Service]\nEnvironment=A=1 A=2\nEnvironment=A=3\n" + _EXEC,
    "windows": "[Service]\r\nCPUQuota=50%\r\nMemoryMax=1G\r\nEnvironment=A=1 \\\r\n  B=2\r\n" + _EXEC,
    "mac": "[Service]\rCPUQuota=50%\r" + _EXEC.replace("\n", "\r"),
    "byte-order-mark": "\ufeff[Service]\nCPUQuota=50%\n" + _EXEC,
    "nul": "[Service]\n" + _EXEC + "MemoryMax=1G\0\nCPUQuota=50%\n",
    "old-limit": "[Service]\nMemoryLimit=512M\nMemoryHigh=1G\nCPUQuotaPeriodSec=10ms\nCPUQuota=20%\n" + _EXEC,
    "no-assignment": "[Service]\nthis is none\n=x\nCPUQuota=50%\n" + _EXEC,
    "blanks": "[Service]\n  CPUQuota  =  50%  \n\tMemoryMax=1G\n [Unit] \nDescription=x\n[Service]\n" + _EXEC,
    "bad-head": "[Service\nCPUQuota=50%\n[Service]\n" + _EXEC,
    "text-behind-head": "[Service]x\n" + _EXEC,
    "unset": '[Service]\nEnvironment=A=1 B=2 C=3 D=4\nUnsetEnvironment=A B=2 C=9\nUnsetEnvironment="D"\n' + _EXEC,
    "command": '[Service]\nExecStart=-/usr/bin/env GOMAXPROCS=2 "A B=c" \\x41 \'it\'"s" a\\q ; /bin/false x\nType=oneshot\n',
    "command-reset": "[Service]\nExecStart=/bin/sh\nExecStart=\nExecStart=+true a\\\n b;c \\; d\n",
    "named-by-slash": "[Service]\nExecStart = \\\n  /bin/true \\\n  --a=1 \\\n  # c\n  --b\n",
    "drop": "[Service]\nEnvironment=A=1\nCPUQuota=50%\n" + _EXEC,
    "a-b": "[Service]\n" + _EXEC,
}
DROP_INS = {
    "drop.service.d/20.conf": "[Service]\nCPUQuota=70%\nEnvironment=A=2\n",
    "drop.service.d/10.conf": "[Service]\nCPUQuota=60%\nEnvironment=B=2\n",
    "drop.service.d/30.txt": "[Service]\nCPUQuota=80%\n",
    "drop.service.d/same.conf": "[Service]\nEnvironment=S=nearest\n",
    "service.d/same.conf": "[Service]\nEnvironment=S=all\n",
    "service.d/15.conf": "[Service]\nEnvironment=ALL=2\n",
    "a-.service.d/x.conf": "[Service]\nEnvironment=DASH=2\nCPUQuota=20%\n",
    "a-b.service.d/y.conf": "[Service]\nCPUQuota=10%\n",
}


def _texts() -> dict[str, str]:
    return {f"{name}.service": text for name, text in UNITS.items()} | DROP_INS


def _read(name: str, texts: dict[str, str] | None = None) -> Workload:
    texts = texts or _texts()
    (workload,) = read_unit(name, texts[name], beside(texts)).workloads
    return workload


def _one(text: str, **others: str) -> Workload:
    return _read("app.service", {"app.service": text} | {name.replace("__", "/"): other for name, other in others.items()})


def _variables(workload: Workload) -> dict[str, str | None]:
    return {one.name: one.value for one in workload.variables}


def _spot(place: Place, text: str) -> str:
    """The characters of a place, checked against its lines and columns."""
    before = text[: place.start]
    assert (place.line, place.column) == (before.count("\n") + 1, place.start - before.rfind("\n"))
    return text[place.start : place.end]


def test_the_facts_of_a_service() -> None:
    """Limits, variables and the command, each with its place."""
    text = "[Unit]\nDescription=x\n\n[Service]\nCPUQuota=250%\nMemoryMax=512M\nMemoryHigh=1.5G\n"
    text += 'Environment=GOGC=50 \\\n  "GOMEMLIMIT=400MiB"\n'
    text += "ExecStart=/usr/local/bin/server --port 80\n[X-Cgtune]\ngo=1.24\n"
    workload = _one(text)
    assert (workload.kind, workload.subject, workload.container, workload.role) == ("systemd", "app.service", "app", "unit")
    assert _spot(workload.place, text) == "[Service]"
    assert workload.cpu_limit is not None
    assert (workload.cpu_limit.cores, _spot(workload.cpu_limit.place, text)) == (2.5, "250%")
    assert workload.memory_limit is not None
    assert workload.memory_limit.size_bytes == 512 << 20
    assert workload.memory_high is not None
    assert workload.memory_high.size_bytes == 1536 << 20
    assert [(one.name, one.value, one.origin) for one in workload.variables] == [
        ("GOGC", "50", "literal"),
        ("GOMEMLIMIT", "400MiB", "literal"),
    ]
    assert [(_spot(one.place, text), _spot(one.name_place, text), _spot(one.entry, text)) for one in workload.variables] == [
        ("50", "GOGC", "GOGC=50"),
        ("400MiB", "GOMEMLIMIT", '"GOMEMLIMIT=400MiB"'),
    ]
    assert workload.command == ("/usr/local/bin/server", "--port", "80")
    assert [(one.name, one.value, _spot(one.place, text)) for one in workload.annotations] == [("cgtune.dev/go", "1.24", "1.24")]
    assert (workload.flaws, workload.unread_variables) == ((), ())


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("words", {"A": "1", "B": "2", "C": "x y", "D": "z w", "E": 'q"r', "F": "aAb", "H": 'a"b', "I": "a b"}),
        (
            "specifiers",
            {
                "A": "specifiers.service",
                "B": "specifiers",
                "C": "specifiers",
                "D": "",
                "F": "%",
                "G": "specifiers",
                "H": "5%",
                "I": "specifiers",
            },
        ),
        ("open-quote", {"A": "1", "C": "3"}),
        ("no-such-escape", {"A": "1", "D": "ab", "E": "ab cd"}),
        ("continued", {"A": "1", "B": "2", "C": "3"}),
        ("blank-behind-backslash", {"A": "1"}),
        ("two-backslashes", {"A": "1\\"}),
        ("no-names", {"D": "", "_E": "4"}),
        ("unset", {"C": "3"}),
    ],
)
def test_the_grammar(name: str, variables: dict[str, str]) -> None:
    """Quotes, escapes, continuation lines and specifiers, as systemd 252 was seen to read them."""
    found = _read(f"{name}.service", {f"{name}.service": UNITS[name]})
    assert {key: value for key, value in _variables(found).items() if value is not None} == variables


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("CPUQuota=33.333%", "it has more than two decimals"),
        ("CPUQuota=0.5", "it has no % sign; 100% is one CPU"),
        ("MemoryMax=512Mi", "its only units are K, M, G, T, P and E, which are powers of 1024; MemoryMax=512M is read"),
        ("memorymax=512M", "systemd knows no memorymax=; it is MemoryMax="),
    ],
)
def test_a_dropped_limit(line: str, cause: str) -> None:
    """systemd drops what it cannot read, and the unit runs without it: a flaw at the value, and no limit."""
    text = f"[Service]\n{line}\n{_EXEC}"
    workload = _one(text)
    (flaw,) = workload.flaws
    assert (flaw.cause, flaw.detail) == (
        "dropped",
        f"{cause}; systemd drops it with one line in its log, and the unit runs without this limit",
    )
    assert _spot(flaw.place, text) == line.partition("=")[2]
    assert (workload.cpu_limit, workload.memory_limit) == (None, None)
    assert flaw.meant == {"CPUQuota=33.333%": "33.33%", "MemoryMax=512Mi": "512M"}.get(line)


def test_a_dropped_limit_beside_a_good_one() -> None:
    """A good value before it holds, and the flaw says so; a good one behind it mends it. Sections of others are theirs."""
    before = _read("dropped-after-good.service")
    assert [flaw.detail.rpartition(", and ")[2] for flaw in before.flaws] == ["50% of line 2 holds", "1G of line 4 holds"]
    assert _read("good-after-dropped.service").flaws == ()
    assert _read("foreign-section.service").flaws == ()
    assert [flaw.detail.partition(";")[0] for flaw in _read("wrong-section.service").flaws] == [
        "it stands in [Unit], and systemd reads it in [Service] alone"
    ]
    (flaw,) = _read("no-section.service").flaws
    assert (flaw.detail.partition(";")[0], flaw.meant) == ("no section is above it", None)


def test_the_limit_of_old() -> None:
    """MemoryLimit= counts for those that read it, and is told; beside MemoryMax= it means nothing."""
    old = _one(f"[Service]\nMemoryLimit=512M\n{_EXEC}")
    assert old.memory_limit is not None
    assert old.memory_limit.size_bytes == 512 << 20
    assert [(flaw.what, flaw.cause) for flaw in old.flaws] == [("MemoryLimit", "dropped")]
    both = _one(f"[Service]\nMemoryLimit=512M\nMemoryMax=1G\n{_EXEC}")
    assert both.memory_limit is not None
    assert (both.memory_limit.size_bytes, both.flaws) == (1 << 30, ())


def test_a_limit_that_is_a_share_or_infinite() -> None:
    """A share of the machine's memory is not known here; infinity is no limit."""
    share = _one(f"[Service]\nMemoryMax=50%\n{_EXEC}").memory_limit
    assert share is not None
    assert (share.size_bytes, share.unknown) == (None, "a share of the machine's memory, which is not known here")
    none = _one(f"[Service]\nMemoryMax=infinity\n{_EXEC}").memory_limit
    assert none is not None
    assert (none.size_bytes, none.unknown) == (None, None)


def test_variables_of_go_that_are_dropped() -> None:
    """A word that is no assignment, or behind an open quote, is told if it is one of Go's: the program runs without it."""
    text = '[Service]\nEnvironment=GOMEMLIMIT =400MiB A\nEnvironment=GOGC=%Z B=%Z\nEnvironment=X=1 "GOMAXPROCS=2\n' + _EXEC
    workload = _one(text)
    assert _variables(workload) == {"X": "1"}
    assert [(flaw.written, flaw.detail.partition(";")[0].partition(":")[0]) for flaw in workload.flaws] == [
        ("GOMEMLIMIT", "it is no NAME=VALUE"),
        ("GOGC=%Z", "a % before a letter is a specifier, and there is no such"),
        ('"GOMAXPROCS=2', "a quote is open, or an escape is none"),
    ]


def test_a_variable_that_systemd_fills_in() -> None:
    """A specifier that the unit's name does not decide leaves the value open, and says which."""
    (variable,) = _one(f"[Service]\nEnvironment=GOMAXPROCS=%i\n{_EXEC}").variables
    assert (variable.value, variable.unknown) == ("", None)
    texts = {"app@.service": f"[Service]\nEnvironment=GOMAXPROCS=%i\n{_EXEC}"}
    (variable,) = _read("app@.service", texts).variables
    assert (variable.value, variable.unknown) == (None, "systemd fills in %i")


def test_a_variable_that_is_set_twice() -> None:
    """The last one counts; what it hides in the same file is named, what a drop-in changes is not hidden but overruled."""
    text = f"[Service]\nEnvironment=GOGC=1 GOGC=2\n{_EXEC}"
    (variable,) = _one(text).variables
    assert (variable.value, [_spot(place, text) for place in variable.hides]) == ("2", ["GOGC=1"])
    (variable,) = _one(text, **{"app.service.d__x.conf": "[Service]\nEnvironment=GOGC=3\n"}).variables
    assert (variable.value, variable.hides, variable.place.file) == ("3", (), "app.service.d/x.conf")


def test_a_file_of_variables() -> None:
    """It is looked for below each folder that the unit lies in, wins over Environment=, and is named if it is not in the input."""
    unit = f"[Service]\nEnvironmentFile=-/etc/default/app\nEnvironmentFile=/run/%p.env\nEnvironment=GOGC=1 A=1\n{_EXEC}"
    texts = {"files/etc/systemd/system/app.service": unit, "files/etc/default/app": "# all\nGOGC='50'\n"}
    workload = _read("files/etc/systemd/system/app.service", texts)
    (a, gogc) = workload.variables
    assert (a.name, gogc.value, gogc.origin, gogc.place.file) == ("A", "50", "env-file", "files/etc/default/app")
    assert workload.unread_variables == ("EnvironmentFile=/run/%p.env, which is not in the input and wins over Environment=",)


def test_what_a_command_sets() -> None:
    """It wins over the environment, and its place is in ExecStart=."""
    text = "[Service]\nEnvironment=GOMAXPROCS=8\nExecStart=/usr/bin/env \\\n  GOMAXPROCS=2 app\n"
    assert [(one.value, one.origin, _spot(one.place, text)) for one in _one(text).variables] == [("2", "command", "2")]


def test_what_systemd_itself_was_given() -> None:
    """A variable of Go's that is passed on from systemd's environment is not known."""
    workload = _one(f"[Service]\nPassEnvironment=GOMAXPROCS GOGC HOME\nEnvironment=GOGC=1\n{_EXEC}")
    assert workload.unread_variables == ("GOMAXPROCS of systemd's own environment (PassEnvironment=)",)


def test_drop_ins() -> None:
    """They take effect by their names, whatever folder they lie in; of two with one name the nearest folder's counts."""
    workload = _read("drop.service")
    assert workload.cpu_limit is not None
    assert workload.cpu_limit.place.file == "drop.service.d/20.conf"
    assert _variables(workload) == {"A": "2", "B": "2", "ALL": "2", "S": "nearest"}
    workload = _read("a-b.service")
    assert workload.cpu_limit is not None
    assert (workload.cpu_limit.cores, _variables(workload)) == (0.1, {"ALL": "2", "S": "all", "DASH": "2"})


def test_a_drop_in_is_read_with_its_unit() -> None:
    """And if its unit is not in the input, the drop-ins together are what is known of it."""
    texts = _texts()
    alone = {name: text for name, text in texts.items() if name.startswith("drop.service.d/")}

    def why(name: str, there: dict[str, str]) -> list[str]:
        read = read_unit(name, there[name], beside(there))
        assert read.workloads == ()
        return [one.why for one in read.skipped]

    assert why("drop.service.d/20.conf", texts) == ["a drop-in, which is read with drop.service"]
    assert why("drop.service.d/20.conf", alone) == ["a drop-in, which is read with the others of drop.service"]
    assert why("service.d/15.conf", texts) == ["a drop-in, which is read with each service"]
    (workload,) = read_unit("drop.service.d/10.conf", alone["drop.service.d/10.conf"], beside(alone)).workloads
    assert (workload.subject, _variables(workload)["A"], workload.command) == ("drop.service", "2", ())
    (workload,) = read_unit("app.service.d/x.conf", "[Service]\nCPUQuota=50%\n").workloads
    assert workload.cpu_limit is not None
    assert workload.subject == "app.service"


def test_slices_limit_their_units() -> None:
    """The least limit of the service's slice and of those above it; a slice by itself runs nothing."""
    texts = {
        "a.slice": "[Slice]\nCPUQuota=300%\nMemoryMax=1G\n",
        "a-b.slice": "[Slice]\nCPUQuota=400%\nMemoryMax=2G\n",
        "app.service": f"[Service]\nSlice=a-b.slice\nCPUQuota=50%\n{_EXEC}",
    }
    workload = _read("app.service", texts)
    assert workload.pod_cpu_limit is not None
    assert (workload.pod_cpu_limit.cores, workload.pod_cpu_limit.place.file) == (3.0, "a.slice")
    assert workload.pod_memory_limit is not None
    assert workload.pod_memory_limit.size_bytes == 1 << 30
    (skipped,) = read_unit("a.slice", texts["a.slice"], beside(texts)).skipped
    assert skipped.why == "a slice, which limits units and runs no program"
    (bad,) = read_unit("c.slice", "[Slice]\nCPUQuota=0.5\n").workloads
    assert [flaw.what for flaw in bad.flaws] == ["CPUQuota"]


def test_cpus_by_number() -> None:
    """AllowedCPUs= counts before CPUAffinity=; assignments add up, an empty one resets."""
    workload = _one(f"[Service]\nCPUAffinity=0-9\nAllowedCPUs=7\nAllowedCPUs=\nAllowedCPUs=0-1 3\nAllowedCPUs=3,4\n{_EXEC}")
    assert workload.cpuset is not None
    assert (workload.cpuset.cores, workload.cpuset.written) == (4.0, "3,4")
    assert _one(f"[Service]\nCPUAffinity=0-9\n{_EXEC}").cpuset is not None
    assert _one(f"[Service]\nCPUAffinity=numa\n{_EXEC}").cpuset is None


def test_a_unit_that_systemd_does_not_load() -> None:
    """It is skipped with the reason: what it says holds for nothing."""
    (skipped,) = read_unit("x.service", "[Service\n").skipped
    assert skipped.why == "systemd does not load it: '[Service' in line 1 is no head of a section"
    (skipped,) = read_unit("x.service", "[Service]\nA=" + "x" * (1 << 20)).skipped
    assert skipped.why == "systemd does not load it: line 2 is longer than 1 MiB"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("a/app.service", True),
        ("app@.service", True),
        ("app.slice", True),
        ("app.service.d/x.conf", True),
        ("service.d/x.conf", True),
        ("nginx.conf", False),
        ("conf.d/x.conf", False),
        ("app.socket", False),
        ("app.service.bak", False),
    ],
)
def test_which_files_are_units(file: str, expected: object) -> None:
    """Services, slices and drop-ins of them, by their names."""
    assert is_unit(file) is expected


@given(st.text(alphabet="[]Service=\\\n\r\"' #;%nAGOMAXPROCS12CPUQuota", max_size=80) | st.text(max_size=40))
def test_any_text_is_a_unit_or_is_skipped(text: str) -> None:
    """Nothing else comes of any text, and each place lies in it."""
    read = read_unit("app.service", "[Service]\n" + text)
    assert len(read.workloads) + len(read.skipped) == 1
    for workload in read.workloads:
        for place in [one.place for one in workload.variables] + [flaw.place for flaw in workload.flaws]:
            assert 0 <= place.start <= place.end <= len(text) + 10


# The installed systemd, asked: it loads all units in one go, prints what it made of them, and starts nothing.


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[str]], Path]:
    """What systemd says of each unit, line by line."""
    require(_SYSTEMD.exists() and shutil.which("setpriv"), "apt-get install --no-install-recommends systemd util-linux")
    folder = tmp_path_factory.mktemp("units")
    for parent in [folder, *folder.parents][:4]:
        parent.chmod(parent.stat().st_mode | 0o555) if parent.stat().st_uid == os.geteuid() else None
    texts = _texts() | {f"{name}.target": "[Unit]\nDefaultDependencies=no\n" for name in ("sysinit", "basic", "shutdown")}
    texts |= {f"q{index}.service": f"[Service]\nCPUQuota={text}\n{_EXEC}" for index, text in enumerate([*QUOTAS, *NO_QUOTAS])}
    texts |= {f"s{index}.service": f"[Service]\nMemoryMax={text}\n{_EXEC}" for index, text in enumerate([*SIZES, *NO_SIZES])}
    texts["all.target"] = "[Unit]\nWants=" + " ".join(name for name in texts if name.endswith(".service")) + "\n"
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(text.encode())
    argv = [str(_SYSTEMD), "--test", "--system", "--unit=all.target", "--log-level=info", "--log-target=console"]
    if os.geteuid() == 0:  # it refuses to be root
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *argv]
    environment = {"HOME": "/", "SYSTEMD_UNIT_PATH": str(folder)}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, errors="replace", timeout=120, check=False)
    units: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in done.stdout.split("\n") + done.stderr.split("\n"):
        head = re.fullmatch(r"\t-> Unit (.*):", line)
        lines = units.setdefault(head[1], []) if head else [] if line.startswith("->") else lines
        lines.append(line.strip())
    require("drop.service" in units, f"systemd --test told nothing of the units here: {done.stderr[:200]}")
    return units, folder


def _says(lines: list[str], key: str) -> list[str]:
    return [line.partition(": ")[2] for line in lines if line.startswith(f"{key}: ")]


@pytest.mark.live
@pytest.mark.parametrize("name", UNITS)
def test_what_systemd_itself_makes_of_a_unit(told: tuple[dict[str, list[str]], Path], name: str) -> None:
    """Variables, limits and the command are those that the installed systemd would use; what it does not load is skipped."""
    lines, texts = told[0][f"{name}.service"], _texts()
    read = read_unit(f"{name}.service", texts[f"{name}.service"], beside(texts))
    assert bool(read.skipped) == (_says(lines, "Unit Load State") == ["error"])
    for workload in read.workloads:
        unset = {one.partition("=")[0] for one in _says(lines, "UnsetEnvironment") if one in ("A", "B=2", "D")}
        given = {one.name: one for one in workload.variables if one.origin != "command"}
        environment = dict(one.split("=", 1) for one in _says(lines, "Environment"))
        assert {name: one.value for name, one in given.items()} == {name: value for name, value in environment.items() if name not in unset}
        assert _cores(lines) == (workload.cpu_limit and workload.cpu_limit.cores)
        size = workload.memory_limit and workload.memory_limit.size_bytes
        assert size == min(int(one) for one in _says(lines, "MemoryMax") + _says(lines, "MemoryLimit")) or size is None
        assert (size is None) == (_says(lines, "MemoryMax") + _says(lines, "MemoryLimit") == [str((1 << 64) - 1)] * 2)
        # systemd shows a word with blanks or signs between quotes, with backslashes
        command = re.sub(r'"((?:\\.|[^"])*)"', lambda quoted: re.sub(r"\\(.)", r"\1", quoted[1]), _says(lines, "Command Line")[0])
        assert " ".join(workload.command) == command


def _cores(lines: list[str]) -> Any:
    """CPUQuotaPerSecSec: 2.500000s, 333ms, 1min 2s. About, as the floats of three decimals are."""
    (said,) = _says(lines, "CPUQuotaPerSecSec")
    units = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
    if said == "infinity":
        return None
    return pytest.approx(max(sum(float(one) * units[unit] for one, unit in re.findall(r"([0-9.]+)([a-z]+)", said)), 0.001), abs=1e-6)


@pytest.mark.live
def test_what_systemd_itself_makes_of_amounts(told: tuple[dict[str, list[str]], Path]) -> None:
    """The rows of test_unitamounts are what the installed systemd reads, or drops with a line in its log."""
    units = told[0]
    for index, text in enumerate([*QUOTAS, *NO_QUOTAS]):
        assert (text, _cores(units[f"q{index}.service"])) == (text, QUOTAS.get(text))
    for index, text in enumerate([*SIZES, *NO_SIZES]):
        assert (text, _says(units[f"s{index}.service"], "MemoryMax")) == (text, [str(SIZES.get(text, (1 << 64) - 1))])
