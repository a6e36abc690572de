from __future__ import annotations

import pytest

from cgtune.errors import Unreadable
from cgtune.runtimes.go.derived.derive import GoDerivation, derive
from cgtune.runtimes.go.derived.inputs import GoInputs
from cgtune.runtimes.go.derived.limitfile import LimitSeen, parse_limit
from cgtune.runtimes.go.derived.settings import HOPELESS_PROCS
from cgtune.runtimes.go.program.version import GoVersion, parse_version

OLD_LANGUAGE = "containermaxprocs=0,updatemaxprocs=0"
NEW_LANGUAGE = ""


def version(text: str) -> GoVersion:
    """The version of a program that says "go" and this."""
    found = parse_version(f"go{text}")
    assert found is not None
    return found


def seen(content: str, minor: int = 27) -> LimitSeen:
    """What the runtime sees with this in its cpu.max."""
    return parse_limit(minor, 2, (content,)).replace(files=("/sys/fs/cgroup/cpu.max",))


def on_eight(text: str, content: str = "max 100000\n", default_godebug: str = "", *environ: tuple[str, str]) -> GoDerivation:
    """What this version derives on 8 CPUs."""
    found = version(text)
    return derive(
        GoInputs(version=found, default_godebug=default_godebug, environ=environ, affinity_count=8, limit=seen(content, found.minor))
    )


# cpu.max and environment on 8 CPUs; GOMAXPROCS of 1.24, of 1.25.5 built for an old language, of 1.25.5 and of 1.27.3 built for a new one:
# the table that was read from real programs on a real kernel
REAL = [
    ("max 100000\n", (), 8, 8, 8, 8),
    ("50000 100000\n", (), 8, 8, 2, 2),
    ("100001 100000\n", (), 8, 8, 2, 2),
    ("250000 100000\n", (), 8, 8, 3, 3),
    ("3200000 1000000\n", (), 8, 8, 4, 4),
    ("300000 100000\n", (("GOMAXPROCS", "0"),), 8, 8, 3, 3),
    ("300000 100000\n", (("GOMAXPROCS", " 5"),), 8, 8, 3, 3),
    ("300000 100000\n", (("GOMAXPROCS", ""),), 8, 8, 3, 3),
    ("300000 100000\n", (("GOMAXPROCS", "+5"),), 8, 8, 3, 5),
    ("300000 100000\n", (("GOMAXPROCS", "5"), ("GOMAXPROCS", "6")), 5, 5, 5, 5),
    ("300000 100000\n", (("GOMAXPROCS", "10000"),), 10000, 10000, 10000, 10000),
    ("300000 100000\n", (("GODEBUG", "containermaxprocs=1"),), 8, 3, 3, 3),
    ("300000 100000\n", (("GODEBUG", "containermaxprocs=0"),), 8, 8, 8, 8),
    ("300000 100000\n", (("GODEBUG", "containermaxprocs=0 "),), 8, 8, 3, 3),
    ("1600000 100000\n", (), 8, 8, 8, 8),
]


@pytest.mark.parametrize(("content", "environ", "go124", "old_language", "go125", "go127"), REAL)
def test_the_table_of_real_programs(
    content: str, environ: tuple[tuple[str, str], ...], go124: int, old_language: int, go125: int, go127: int
) -> None:
    """GOMAXPROCS is what programs of each version were seen to have on a real kernel with 8 CPUs."""
    assert on_eight("1.24.11", content, "", *environ).gomaxprocs == go124
    assert on_eight("1.25.5", content, OLD_LANGUAGE, *environ).gomaxprocs == old_language
    assert on_eight("1.25.5", content, NEW_LANGUAGE, *environ).gomaxprocs == go125
    assert on_eight("1.27.3", content, NEW_LANGUAGE, *environ).gomaxprocs == go127


@pytest.mark.parametrize("content", ["300000 0\n", "0 0\n", "17592186044415 1000\n", "9223372036854775807 1\n"])
def test_a_quota_that_kills(content: str) -> None:
    """A period of 0 or a quotient past 32 bits kills Go 1.25 and later, unless a valid GOMAXPROCS or containermaxprocs=0 spares it."""
    for text in ("1.25.5", "1.27.3"):
        dead = on_eight(text, content)
        assert (dead.gomaxprocs, dead.gomemlimit, dead.gogc, dead.dies) == (None, None, None, "fatal error: procresize: invalid arg")
        assert on_eight(text, content, "", ("GOMAXPROCS", "4")).gomaxprocs == 4
        assert on_eight(text, content, OLD_LANGUAGE).gomaxprocs == 8
    assert on_eight("1.24.11", content).gomaxprocs == 8


def test_other_architectures_live_where_amd64_dies() -> None:
    """A quotient past 32 bits is no limit on arm64; a period of 0 under a quota of 0 kills there too, but not on riscv64."""

    def on(architecture: str, content: str) -> GoDerivation:
        return derive(GoInputs(version=version("1.27.3"), architecture=architecture, affinity_count=8, limit=seen(content)))

    assert [on(name, "300000 0\n").gomaxprocs for name in ("amd64", "arm64", "riscv64", "s390x")] == [None, 8, 8, 8]
    assert [on(name, "0 0\n").dies is None for name in ("amd64", "arm64", "riscv64", "s390x")] == [False, False, True, False]


def test_the_first_death_is_the_one_told() -> None:
    """With several reasons to die, the program prints the one that its start comes to first."""
    crash = "300000 0\n"
    removed, malformed = ("GODEBUG", "x509sha1=1"), ("GOMEMLIMIT", "512Mi")
    assert str(on_eight("1.27.3", crash, "", removed, malformed).dies).startswith("GOMEMLIMIT=512Mi\nfatal error: malformed GOMEMLIMIT;")
    assert on_eight("1.27.3", crash, "", removed).dies == "fatal error: procresize: invalid arg"
    assert "removed GODEBUG" in str(on_eight("1.27.3", "max 100000\n", "", removed).dies)
    assert on_eight("1.26.6", "max 100000\n", "", removed).dies is None
    assert "cgocheck" in str(on_eight("1.27.3", crash, "", malformed, ("GODEBUG", "cgocheck=2")).dies)
    assert on_eight("1.19.8", "max 100000\n", "", ("GODEBUG", "cgocheck=2")).dies is None
    assert "removed GODEBUG" in str(on_eight("1.27.3", "max 100000\n", "", ("GODEBUG", "x509sha1=1,cgocheck=2")).dies)


@pytest.mark.parametrize(
    ("content", "environ", "cause"),
    [
        ("max 100000\n", [("GODEBUG", "cgocheck=2")], "cgocheck"),
        ("max 100000\n", [("GOMEMLIMIT", "procresize")], "gomemlimit"),
        ("max 100000\n", [("GOMAXPROCS", str(HOPELESS_PROCS))], "gomaxprocs"),
        ("0 0\n", [], "quota"),
        ("0 0\n", [("GODEBUG", "x509sha1=1")], "quota"),
        ("max 100000\n", [("GODEBUG", "x509sha1=1")], "removed-godebug"),
        ("max 100000\n", [], None),
    ],
)
def test_each_death_has_a_word(content: str, environ: list[tuple[str, str]], cause: str | None) -> None:
    """What the program prints is for people: the cause beside it is what code branches on."""
    derived = on_eight("1.27.3", content, "", *environ)
    assert (derived.dies_of, derived.dies is None) == (cause, cause is None)


def test_texts_that_kill_have_a_word() -> None:
    """A mount point that no kernel writes ends Go 1.26 while it looks."""
    inputs = GoInputs(version=version("1.26.6"), affinity_count=8, cgroup_text="0::/a\n", read_limit=lambda _: None)
    derived = derive(inputs.replace(mountinfo_text="30 23 0:26 / \\\\\\ rw - cgroup2 cgroup2 rw\n"))
    assert (derived.dies_of, derived.dies) == ("limit-texts", "fatal error: panic on system stack")


def test_a_death_of_the_build_is_not_healed_by_the_environment() -> None:
    """cgocheck=2 in the build's string kills before the environment's string is looked at."""
    assert on_eight("1.27.3", "max 100000\n", "cgocheck=2", ("GODEBUG", "cgocheck=1")).dies is not None


@pytest.mark.parametrize(
    ("build", "environment", "aware", "updates"),
    [
        ("", "", (True, 1, "built-in"), (True, 1, "built-in")),
        (OLD_LANGUAGE, "", (False, 0, "build"), (False, 0, "build")),
        (OLD_LANGUAGE, "containermaxprocs=1", (True, 1, "environment"), (False, 0, "build")),
        ("", "containermaxprocs=-1,updatemaxprocs=-1", (False, -1, "environment"), (True, -1, "environment")),
        (OLD_LANGUAGE, "containermaxprocs=x", (False, 0, "build"), (False, 0, "build")),
        (None, "", (None, None, "build"), (None, None, "build")),
        (None, "containermaxprocs=2", (True, 2, "environment"), (None, None, "build")),
        ("", None, (None, None, "environment"), (None, None, "environment")),
    ],
)
def test_who_decides_on_awareness(
    build: str | None, environment: str | None, aware: tuple[object, ...], updates: tuple[object, ...]
) -> None:
    """Built-in, build, environment: the last one that says something valid decides, and what is not known stays unknown."""
    environ = None if environment is None else (("GODEBUG", environment),)
    derived = derive(
        GoInputs(version=version("1.27.3"), default_godebug=build, environ=environ, affinity_count=8, limit=seen("max 100000\n"))
    )
    assert (derived.aware.on, derived.aware.number, derived.aware.source) == aware
    assert (derived.updates.on, derived.updates.number, derived.updates.source) == updates


def test_an_unknown_build_string_matters_only_under_a_quota() -> None:
    """Where awareness is not known, GOMAXPROCS is given only if it is the same either way."""

    def with_quota(content: str) -> int | None:
        return derive(GoInputs(version=version("1.27.3"), default_godebug=None, affinity_count=8, limit=seen(content))).gomaxprocs

    assert with_quota("max 100000\n") == 8
    assert with_quota("800000 100000\n") == 8
    assert with_quota("300000 100000\n") is None


def test_what_is_not_known_is_none_and_said() -> None:
    """Without environment, affinity mask or limit file nothing is guessed, and each gap is told."""
    blind = derive(GoInputs(version=version("1.27.3"), environ=None, affinity_count=8, limit=seen("max 1\n")))
    assert (blind.gomaxprocs, blind.gomemlimit, blind.gogc, blind.pinned) == (None, None, None, None)
    assert any("environment could not be read" in note for note in blind.notes)
    no_cpus = derive(GoInputs(version=version("1.27.3"), affinity_count=None, limit=seen("max 1\n")))
    assert (no_cpus.gomaxprocs, no_cpus.num_cpu) == (None, None)
    no_limit = derive(GoInputs(version=version("1.27.3"), affinity_count=8))
    assert no_limit.gomaxprocs is None
    assert "not known" in no_limit.because.gomaxprocs[-1]
    assert derive(GoInputs(version=version("1.24.11"), affinity_count=0)).gomaxprocs == 1


def test_a_limit_file_that_we_cannot_read_is_unknown_not_absent() -> None:
    """Where it is we who may not read the limit file, GOMAXPROCS is not known, and the note says why."""

    def refuse(path: str) -> bytes:
        raise Unreadable(f"{path}: permission denied")

    mounts = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
    inputs = GoInputs(version=version("1.27.3"), affinity_count=8, cgroup_text="0::/a\n", mountinfo_text=mounts, read_limit=refuse)
    assert (derive(inputs).gomaxprocs, derive(inputs).limit) == (None, None)
    assert "/sys/fs/cgroup/a/cpu.max: permission denied" in derive(inputs).notes[0]
    assert derive(inputs.replace(version=version("1.24.11"))).gomaxprocs == 8
    assert derive(inputs.replace(environ=(("GOMAXPROCS", "5"),))).gomaxprocs == 5


def test_memory_limit_and_gc_percent() -> None:
    """GOMEMLIMIT and GOGC are the environment's and nothing else's; before 1.19 there is no memory limit."""
    derived = on_eight("1.27.3", "max 1\n", "", ("GOMEMLIMIT", "512MiB"), ("GOGC", "off"))
    assert (derived.gomemlimit, derived.gogc) == (512 << 20, "off")
    assert (on_eight("1.27.3").gomemlimit, on_eight("1.27.3").gogc) == ("off", 100)
    assert on_eight("1.27.3", "max 1\n", "", ("GOGC", "-7")).gogc == "off"
    assert on_eight("1.27.3", "max 1\n", "", ("GOGC", "abc")).gogc == 100
    assert on_eight("1.27.3", "max 1\n", "", ("GOGC", "0")).gogc == 0  # collects all the time, which is not off
    assert on_eight("1.18.10", "max 1\n", "", ("GOMEMLIMIT", "512Mi")).gomemlimit == "off"
    assert on_eight("1.18.10", "max 1\n", "", ("GOMEMLIMIT", "512Mi")).dies is None
    assert on_eight("1.18.10", "max 1\n", "", ("GOMEMLIMIT", "512Mi")).because.gomemlimit[1:] == ("the variable is set and has no effect",)
    assert on_eight("1.18.10").because.gomemlimit[1:] == ()


def test_a_gomaxprocs_beyond_reason_is_death_or_doubt() -> None:
    """A number of processors that no machine can hold is a death, one that few can is a note."""
    hopeless = on_eight("1.27.3", "max 1\n", "", ("GOMAXPROCS", "2147483647"))
    assert (hopeless.gomaxprocs, str(hopeless.dies)[:27]) == (None, "fatal error: out of memory,")
    doubtful = on_eight("1.27.3", "max 1\n", "", ("GOMAXPROCS", "100000"))
    assert (doubtful.gomaxprocs, doubtful.dies, len(doubtful.notes)) == (100_000, None, 1)
    assert on_eight("1.27.3", "max 1\n", "", ("GOMAXPROCS", "10000")).notes == ()


def test_what_a_person_reads_is_printable_and_short() -> None:
    """Steps and deaths carry no control character and no endless text of the environment's."""
    derived = on_eight("1.27.3", "max 1\n", "", ("GOMEMLIMIT", "\x1b[2J\udcff\n" + "x" * 5000), ("GOGC", "\x1b" * 500))
    assert str(derived.dies).startswith("GOMEMLIMIT=\\x1b[2J\\udcff\\nxxx")
    mounts = "30 23 0:26 / /c\\012\\033 rw - cgroup2 cgroup rw\n"
    for content in ("300000 100000\n", None):
        inputs = GoInputs(
            version=version("1.27.3"),
            affinity_count=8,
            cgroup_text="0::/\n",
            mountinfo_text=mounts,
            read_limit={"/c\n\x1b/cpu.max": content}.get,
        )
        told = " ".join(derive(inputs).because.gomaxprocs)
        assert told.isprintable()
        assert "/c\\n\\x1b/cpu.max" in told
    for steps in (derived.because.gomaxprocs, derived.because.gomemlimit, derived.because.gogc):
        assert all(step.isprintable() and len(step) < 400 for step in steps)


def test_versions_that_were_not_checked_say_so() -> None:
    """Newer, older and unreleased versions carry a note; another patch of a checked line does so only if it can change the answer."""
    for text in ("1.21.13", "1.24.11", "1.25.5", "1.26.0", "1.27.3", "1.27.4", "1.24.99", "1.25.6"):
        assert on_eight(text).notes == ()
    for text in ("1.28.0", "1.18.1", "1.26rc1"):
        assert len(on_eight(text).notes) == 1
    assert on_eight("1.29.0", "300000 100000\n").gomaxprocs == 3


def test_the_unconfirmed_fix_in_later_1_25() -> None:
    """For 1.25.6 and later the note says what would be different, were 1.26's way to the limit file in it."""
    inputs = GoInputs(
        version=version("1.25.7"),
        affinity_count=8,
        cgroup_text="4:cpu:/docker/x\n",
        mountinfo_text="30 23 0:26 /docker/x /c rw - cgroup cgroup rw,cpu\n",
        read_limit={"/c/cpu.cfs_quota_us": "300000\n", "/c/cpu.cfs_period_us": "100000\n"}.get,
    )
    derived = derive(inputs)
    assert derived.gomaxprocs == 8
    assert "GOMAXPROCS would be 3" in derived.notes[0]
    assert derive(inputs.replace(cgroup_text="4:cpu:/\n")).notes == ()
    assert derive(inputs.replace(version=version("1.26.0"))).gomaxprocs == 3


def test_a_program_without_a_version_gets_what_all_versions_agree_on() -> None:
    """Without a version only that is derived in which no version differs from another."""
    quota = GoInputs(version=None, affinity_count=8, limit=seen("300000 100000\n"))
    assert (derive(quota).gomaxprocs, derive(quota).gogc, derive(quota).gomemlimit) == (None, 100, "off")
    assert derive(quota.replace(limit=seen("max 1\n"))).gomaxprocs == 8
    assert derive(quota.replace(environ=(("GOMAXPROCS", "4"),))).gomaxprocs == 4
    assert derive(quota.replace(environ=(("GOMAXPROCS", "+4"),))).gomaxprocs is None


def test_every_step_is_told() -> None:
    """The steps name the file, the numbers and the rule, for a reader without the source at hand."""
    derived = on_eight("1.27.3", "250000 100000\n")
    assert derived.because.gomaxprocs == (
        "the affinity mask allows 8 CPUs",
        "/sys/fs/cgroup/cpu.max: quota 250000 µs, period 100000 µs",
        "250000 / 100000 is 3 rounded up: GOMAXPROCS is 3",
    )
    assert derived.because.gogc == ("GOGC is not set: 100",)
    assert on_eight("1.24.11").because.gomaxprocs[-1] == "Go 1.24 never reads a CPU quota: GOMAXPROCS is 8"
