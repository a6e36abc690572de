"""What changes for services with another Go, and the lines that keep today's values."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cgtune.advice.comparing import judge_upgrade
from cgtune.advice.prediction import Limited, derive_limited, parse_limited
from cgtune.advice.upgrade import SETTINGS, Service, Upgrade, UpgradeRow, limited_service
from cgtune.api import judge_processes
from cgtune.model import ProcessReport
from cgtune.runtimes.go.offline import parse_program


def judge(process: ProcessReport) -> ProcessReport:
    """As a live one."""
    return judge_processes((process,))[0]


def service(old: str, new: str, env: tuple[str, ...] = (), language: str | None = None, name: str = "app", **limits: str) -> Service:
    """A service on 64 CPUs, or on ``cpus``."""
    return limited_service(
        name,
        parse_limited(
            cpu_limit=limits.get("cpu_limit"),
            cpus=int(limits.get("cpus", "64")),
            memory_limit=limits.get("memory_limit"),
            cpu_request=None,
            env=env,
            cgroup=limits.get("cgroup", "v2"),
        ),
        parse_program(old, language, "--from"),
        parse_program(new, language, "--to"),
    )


def upgraded(old: str, new: str, env: tuple[str, ...] = (), language: str | None = None, **limits: str) -> UpgradeRow:
    """The one row of one service."""
    (row,) = judge_upgrade([service(old, new, env, language, **limits)], judge)
    return row


OFF = "GODEBUG=containermaxprocs=0,updatemaxprocs=0"


@pytest.mark.parametrize(
    ("old", "new", "env", "limits", "change", "procs", "keep"),
    [
        # 14 to 2 under a limit of 2 CPUs: observIQ/bindplane-otel-collector, pull request 3594
        ("1.24", "1.25", (), {"cpu_limit": "2", "cpus": "14"}, "fewer-threads", (14, 2), (OFF,)),
        ("1.24", "1.27", (), {"cpu_limit": "2.5"}, "fewer-threads", (64, 3), (OFF,)),
        ("1.27", "1.24", (), {"cpu_limit": "2.5"}, "more-threads", (3, 64), ("GOMAXPROCS=3",)),
        ("1.24", "1.27", (), {}, "none", (64, 64), ()),
        ("1.25", "1.27", (), {"cpu_limit": "2.5"}, "none", (3, 3), ()),
        # in a container on v1 Go 1.25 misses its quota; it follows its affinity, and so keeps updates
        ("1.25", "1.26", (), {"cpu_limit": "2", "cgroup": "v1"}, "fewer-threads", (64, 2), ("GODEBUG=containermaxprocs=0",)),
        ("1.24", "1.27", ("GOMAXPROCS=8",), {"cpu_limit": "2"}, "none", (8, 8), ()),
        ("1.24", "1.27", ("GODEBUG=madvdontneed=1",), {"cpu_limit": "2"}, "fewer-threads", (64, 2), (f"GODEBUG=madvdontneed=1,{OFF[8:]}",)),
        # "+8" is a number from 1.26 on
        ("1.25", "1.27", ("GOMAXPROCS=+8",), {"cpu_limit": "2"}, "more-threads", (2, 8), ("GOMAXPROCS=",)),
        ("1.24", "1.27", ("GOMAXPROCS=+8",), {"cpu_limit": "2"}, "fewer-threads", (64, 8), ("GOMAXPROCS=64",)),
        ("1.24", "1.27", ("GOGC=+50",), {}, "none", (64, 64), ("GOGC=100",)),
        ("1.24", "1.27", ("GOGC=-",), {}, "none", (64, 64), ("GOGC=0",)),
        ("1.18", "1.27", ("GOMEMLIMIT=1GiB",), {}, "none", (64, 64), ("GOMEMLIMIT=off",)),
        ("1.25", "1.27", ("GOMEMLIMIT=-KiB",), {}, "dies", (64, None), ("GOMEMLIMIT=0",)),
        ("1.25", "1.27", ("GOMEMLIMIT=+1GiB",), {}, "starts", (None, 64), ()),
        ("1.26", "1.27", ("GODEBUG=x509sha1=1",), {}, "dies", (64, None), ()),
        ("1.24", "1.27", ("GOMEMLIMIT=512Mi",), {}, "dies", (None, None), ()),
        # a quota that Go from 1.25 on dies of, and that 1.24 never reads
        ("1.24", "1.27", (), {"cpu_limit": "17592186044415 1000"}, "dies", (64, None), (OFF,)),
    ],
)
def test_what_changes_and_what_keeps_it(
    old: str, new: str, env: tuple[str, ...], limits: dict[str, str], change: str, procs: tuple[int | None, ...], keep: tuple[str, ...]
) -> None:
    """The two values of GOMAXPROCS, who loses or gains, and lines that give today's values with the new Go; none if no line does."""
    row = upgraded(old, new, env, **limits)
    assert (row.change, (row.old.value("GOMAXPROCS"), row.new.value("GOMAXPROCS")), row.keep) == (change, procs, keep)


VERSIONS = ("1.18", "1.21", "1.24", "1.25", "1.26", "1.27")
VARIABLES = (
    *("GOMAXPROCS=4", "GOMAXPROCS=+4", "GOMAXPROCS=0", "GOGC=off", "GOGC=+50", "GOGC=-", "GOMEMLIMIT=1GiB", "GOMEMLIMIT=-KiB"),
    *("GODEBUG=containermaxprocs=0", "GODEBUG=updatemaxprocs=0", "GODEBUG=containermaxprocs=1,x=y", "GODEBUG=x509sha1=1"),
)


@given(
    st.sampled_from(VERSIONS),
    st.sampled_from(VERSIONS),
    st.lists(st.sampled_from(VARIABLES), max_size=4, unique_by=lambda entry: entry.partition("=")[0]),
    st.sampled_from((None, "100m", "1", "2.5", "7", "17592186044415 1000")),
    st.sampled_from(("1", "2", "64")),
    st.sampled_from(("v1", "v2")),
    st.sampled_from((None, "1.21", "1.25")),
)
def test_lines_that_keep_do_so(
    old: str, new: str, env: list[str], cpu_limit: str | None, cpus: str, cgroup: str, language: str | None
) -> None:
    """With them the new Go derives what the old one does; if none are said, then nothing changes, it dies, or it cannot have a limit."""
    limits = {"cpus": cpus, "cgroup": cgroup} | ({} if cpu_limit is None else {"cpu_limit": cpu_limit})
    row = upgraded(old, new, tuple(env), language, **limits)
    if row.keep:
        lines = dict(entry.partition("=")[::2] for entry in (*env, *row.keep))
        kept = service(old, new, tuple(f"{name}={value}" for name, value in lines.items()), language, **limits)
        (there,) = judge_upgrade([kept], judge)
        assert there.new.values == row.old.values
        assert row.changed
    elif row.change == "none" and new != "1.18":
        assert row.changed == ()


def test_a_go_line_that_stays_keeps_the_threads() -> None:
    """A build with Go 1.27 of a module with `go 1.24` leaves the quota alone: nothing changes, and what pins it is said; no finding is new
    for a harm that is there today by another cause.
    """
    row = upgraded("1.24", "1.27", language="1.24", cpu_limit="2", memory_limit="1Gi")
    assert (row.change, row.keep, row.severity) == ("none", (), None)
    assert row.pinned == ("containermaxprocs=0 in the build, as of the go line 1.24",)
    assert row.gone == ()
    assert [one.rule for one in row.new.process.findings if one.severity == "warning"] == [
        "awareness-disabled-by-build",
        "gomemlimit-unset",
    ]
    (note,) = [note for note in upgraded("1.24", "1.27", cpu_limit="2").notes if "go line" in note]
    assert note.endswith("GOMAXPROCS stays 64")
    assert upgraded("1.25", "1.27", cpu_limit="2").notes == ()


@pytest.mark.parametrize(
    ("env", "pinned"),
    [
        (("GOMAXPROCS=8",), ("GOMAXPROCS=8 in the environment",)),
        (("GODEBUG=containermaxprocs=0",), ("containermaxprocs=0 in GODEBUG",)),
        (("GODEBUG=updatemaxprocs=0",), ("updatemaxprocs=0 in GODEBUG: it takes the quota at its start, and follows no change",)),
        ((), ()),
    ],
)
def test_what_pins_it_is_said(env: tuple[str, ...], pinned: tuple[str, ...]) -> None:
    """A variable, a switch of GODEBUG; nothing if the new Go follows its quota."""
    assert upgraded("1.24", "1.27", env, cpu_limit="2").pinned == pinned


def test_the_severity_is_that_of_the_change() -> None:
    """A death is critical, fewer threads are a warning, what is as bad today counts nothing."""
    assert upgraded("1.24", "1.27", ("GODEBUG=cgocheck=2",)).severity == "critical"  # dies today as well: the new Go still does
    assert upgraded("1.24", "1.27", cpu_limit="2").severity == "warning"
    assert upgraded("1.25", "1.27", cpu_limit="2", memory_limit="1Gi").severity is None
    assert upgraded("1.27", "1.24", cpu_limit="2").severity == "warning"  # go-not-container-aware, new
    rows = (upgraded("1.24", "1.27", cpu_limit="2"),)
    upgrade = Upgrade(old_go="1.24", new_go="1.27", rows=rows)
    assert [upgrade.fails("info"), upgrade.fails("warning"), upgrade.fails("critical")] == [True, True, False]


def test_what_ends_with_the_new_go_is_told_and_a_death_ends_nothing() -> None:
    """The quota is seen; a program that dies is not better for having no other findings."""
    assert upgraded("1.24", "1.27", cpu_limit="2").gone == ("go-not-container-aware",)
    assert upgraded("1.24", "1.27", ("GODEBUG=x509sha1=1",), cpu_limit="2").gone == ()
    row = upgraded("1.24", "1.27", ("GOMAXPROCS=+8",), cpu_limit="2")  # beyond the quota still, by another number and cause
    assert (row.gone, [one.rule for one in row.fresh]) == (("gomaxprocs-malformed",), ["gomaxprocs-exceeds-quota"])


@pytest.mark.parametrize(
    ("env", "memory_limit", "margin"),
    [
        (("GOMEMLIMIT=460MiB",), "512Mi", 52 << 20),
        (("GOMEMLIMIT=1GiB",), "512Mi", -(512 << 20)),
        ((), "512Mi", None),
        (("GOMEMLIMIT=1GiB",), None, None),
    ],
)
def test_the_memory_margin(env: tuple[str, ...], memory_limit: str | None, margin: int | None) -> None:
    """What the limit leaves above GOMEMLIMIT; that nothing keeps the collector of 1.26 below the limit is said if there is none."""
    row = upgraded("1.25", "1.27", env, **({} if memory_limit is None else {"memory_limit": memory_limit}))
    assert row.memory_margin_bytes == margin
    assert any("another collector" in note for note in row.notes) == (not env)
    assert not any("another collector" in note for note in upgraded("1.26", "1.27", env, memory_limit="512Mi").notes)


def test_services_that_differ_in_nothing_that_counts_are_one_class() -> None:
    """Neither the name nor a variable that Go does not read makes two of them; each class is judged once, the worst first."""
    judged: list[ProcessReport] = []

    def judge_once(process: ProcessReport) -> ProcessReport:
        judged.append(process)
        return judge(process)

    same = [service("1.24", "1.27", (f"PORT={number}",), cpu_limit="2", name=f"s{number}") for number in range(5)]
    others = [service("1.25", "1.27", name="calm"), service("1.24", "1.27", ("GODEBUG=x509sha1=1",), name="dead")]
    rows = judge_upgrade([*others[:1], *same, *others[1:]], judge_once)
    assert [row.names for row in rows] == [("dead",), ("s0", "s1", "s2", "s3", "s4"), ("calm",)]
    assert len(judged) == 6  # each of three with both
    assert Upgrade(old_go=None, new_go="1.27", rows=rows).count("fewer-threads") == 5


def test_a_variable_whose_value_is_not_known() -> None:
    """What hangs on it is not known, and nothing is said to keep it."""
    known = service("1.24", "1.27", cpu_limit="2")
    (row,) = judge_upgrade([known.replace(unknown=("GODEBUG",), notes=("the value of GODEBUG is not known",))], judge)
    assert (row.change, row.old.value("GOMAXPROCS"), row.keep) == ("unknown", None, ())
    assert "the value of GODEBUG is not known" in row.notes
    (row,) = judge_upgrade([known.replace(unknown=("GOMEMLIMIT",))], judge)
    assert (row.change, row.old.value("GOMEMLIMIT"), row.keep) == ("fewer-threads", None, ())


def test_what_a_program_sets_by_itself_it_sets_with_any_go() -> None:
    """A value that was seen and that no variable gave stays, and is said to be the program's."""
    plain = service("1.24", "1.27", cpu_limit="2")
    today, _ = plain.derive(plain.old, ())
    (facts,) = today.snapshot.go
    procs = facts.settings[0].replace(observed=5, observed_from="memory")
    today = today.replace(snapshot=today.snapshot.replace(go=(facts.replace(settings=(procs, *facts.settings[1:])),)))
    (row,) = judge_upgrade([plain.replace(today=today, inside=("GOMAXPROCS",))], judge)
    assert (row.change, row.new.value("GOMAXPROCS"), row.keep) == ("none", 5, ())
    assert row.pinned == ("the program sets GOMAXPROCS to 5 itself",)
    (row,) = judge_upgrade([plain.replace(today=today)], judge)  # an affinity of its start: a restart changes it
    assert (row.change, row.old.value("GOMAXPROCS"), row.new.value("GOMAXPROCS")) == ("fewer-threads", 5, 2)
    assert row.keep == ("GOMAXPROCS=5",)


@pytest.mark.parametrize(
    ("old", "new", "language", "env", "note"),
    [
        ("1.24", "1.28", None, (), "Go 1.28.0 is newer than 1.27.3, the newest that was checked: its rules are assumed to hold still"),
        ("1.24", "1.27", "1.25", (), "Go 1.24 does not itself build a module with the go line 1.25"),
        ("1.24", "1.27", None, ("GOMAXPROCS=20000",), "GOMAXPROCS=20000 takes about 274 MB at the start"),
    ],
)
def test_what_is_not_sure_is_said(old: str, new: str, language: str | None, env: tuple[str, ...], note: str) -> None:
    """Of either version, once."""
    notes = upgraded(old, new, env, language).notes
    assert [one.startswith(note) for one in notes].count(True) == 1


def test_both_sides_are_those_of_a_prediction() -> None:
    """The old and the new value are what `derive_limited` says of each version."""
    limited = Limited(cpus=8)
    row = upgraded("1.24", "1.27", cpus="8")
    for side, version in ((row.old, "1.24"), (row.new, "1.27")):
        facts = derive_limited(limited, parse_program(version, None, "--go"))[1]
        assert side.values == tuple(setting.derived for setting in facts.settings)
        assert tuple(setting.name for setting in facts.settings) == SETTINGS
