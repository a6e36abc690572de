from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from cgtune.errors import Malformed
from cgtune.runtimes.go.derived.limitfile import LimitSeen, locate_limit, parse_limit

V1, V2 = "rw,cpu,cpuacct", "rw"


def mount(root: str, point: str, kind: str = "cgroup2", options: str = V2) -> str:
    """One line of mountinfo."""
    return f"30 23 0:26 {root} {point} rw,relatime shared:9 - {kind} cgroup {options}\n"


def opened(minor: int, cgroup: str, mountinfo: str) -> str | None:
    """The first file that the runtime opens, where every file is there."""
    seen = locate_limit(minor, cgroup, mountinfo, lambda _: "300000 100000\n")
    return seen.files[0] if seen.files else None


SYS = mount("/", "/sys/fs/cgroup")
NSFS = "41 23 0:4 net:[4026531833] /run/netns/a rw shared:1 - nsfs nsfs rw\n"
HYBRID = mount("/", "/c/unified") + mount("/", "/c/cpu", "cgroup", V1)

# name, /proc/self/cgroup, /proc/self/mountinfo, what 1.25 opens, what 1.26 and later open
STORIES = [
    ("v2-namespace", "0::/\n", SYS, "/sys/fs/cgroup//cpu.max", "/sys/fs/cgroup/cpu.max"),
    ("v2-plain", "0::/a/b\n", SYS, "/sys/fs/cgroup/a/b/cpu.max", "/sys/fs/cgroup/a/b/cpu.max"),
    ("hybrid", "4:cpu,cpuacct:/a\n0::/b\n", HYBRID, "/c/cpu/a/cpu.cfs_quota_us", "/c/cpu/a/cpu.cfs_quota_us"),
    ("hybrid-order", "0::/b\n4:cpuacct,cpu:/a\n", HYBRID, "/c/cpu/a/cpu.cfs_quota_us", "/c/cpu/a/cpu.cfs_quota_us"),
    ("named-cpu-is-no-cpu", "4:name=cpu:/a\n0::/b\n", SYS, "/sys/fs/cgroup/b/cpu.max", "/sys/fs/cgroup/b/cpu.max"),
    ("membership-v2-mounts-both", "0::/a\n", HYBRID, "/c/cpu/a/cpu.max", "/c/unified/a/cpu.max"),
    ("membership-v1-mount-v2", "4:cpu:/a\n", SYS, "/sys/fs/cgroup/a/cpu.cfs_quota_us", None),
    ("docker-v1-root", "4:cpu:/docker/x\n", mount("/docker/x", "/c", "cgroup", V1), "/c/docker/x/cpu.cfs_quota_us", "/c/cpu.cfs_quota_us"),
    ("root-above", "0::/p/a\n", mount("/p", "/c"), "/c/p/a/cpu.max", "/c/a/cpu.max"),
    ("root-is-no-component", "0::/pq/a\n", mount("/p", "/c"), "/c/pq/a/cpu.max", None),
    ("namespace-outside", "0::/../a\n", SYS, "/sys/fs/cgroup/../a/cpu.max", None),
    ("namespace-stale-mount", "0::/\n", mount("/..", "/c"), "/c//cpu.max", None),
    ("namespace-outer-root", "0::/../a\n", mount("/..", "/c"), "/c/../a/cpu.max", "/c/a/cpu.max"),
    ("dotdot-name", "0::/..a\n", SYS, "/sys/fs/cgroup/..a/cpu.max", "/sys/fs/cgroup/..a/cpu.max"),
    ("two-mounts", "0::/a\n", mount("/", "/one") + mount("/", "/two"), "/two/a/cpu.max", "/one/a/cpu.max"),
    ("nsfs-before", "0::/a\n", NSFS + SYS, "/sys/fs/cgroup/a/cpu.max", None),
    ("nsfs-after", "0::/a\n", SYS + NSFS, "/sys/fs/cgroup/a/cpu.max", "/sys/fs/cgroup/a/cpu.max"),
    ("garbage-before", "0::/a\n", "garbage\n" + SYS, None, None),
    ("garbage-after", "0::/a\n", SYS + "garbage\n", None, "/sys/fs/cgroup/a/cpu.max"),
    ("type-alone", "0::/a\n", "30 23 0:26 / /c rw - cgroup2\n" + SYS, None, None),
    ("no-last-newline", "0::/a", SYS, None, None),
    ("mountinfo-no-last-newline", "0::/a\n", SYS[:-1], "/sys/fs/cgroup/a/cpu.max", "/sys/fs/cgroup/a/cpu.max"),
    ("deleted", "0::/a (deleted)\n", SYS, "/sys/fs/cgroup/a (deleted)/cpu.max", "/sys/fs/cgroup/a (deleted)/cpu.max"),
    ("colon-in-name", "0::/a:b:c\n", SYS, "/sys/fs/cgroup/a:b:c/cpu.max", "/sys/fs/cgroup/a:b:c/cpu.max"),
    ("blank-in-mount-point", "0::/a\n", mount("/", r"/my\040c"), "/my c/a/cpu.max", "/my c/a/cpu.max"),
    ("bad-escape", "0::/a\n", mount("/", r"/my\04"), None, None),
    ("escape-of-nines", "0::/a\n", mount("/", r"/my\099"), "/myQ/a/cpu.max", None),
    ("escape-past-a-byte", "0::/a\n", mount("/", r"/my\501"), "/myA/a/cpu.max", None),
    ("membership-is-not-unescaped", "0::/a\\040b\n", SYS, "/sys/fs/cgroup/a\\040b/cpu.max", "/sys/fs/cgroup/a\\040b/cpu.max"),
    ("overlay-100k", "0::/a\n", mount("/", "/o", "overlay", "x" * 100_000) + SYS, "/sys/fs/cgroup/a/cpu.max", "/sys/fs/cgroup/a/cpu.max"),
    ("long-membership", "7:a:/" + "x" * 70_000 + "\n0::/a\n", SYS, None, None),
    ("membership-past-4096", "0::/" + "a/" * 2048 + "\n", SYS, None, None),
    ("path-past-4096", "0::/" + "a/" * 2040 + "\n", SYS, None, None),
    ("nothing-mounted", "0::/a\n", "", None, None),
    ("no-membership", "", SYS, None, None),
    ("relative-membership", "0::a\n", SYS, "/sys/fs/cgroupa/cpu.max", None),
    ("empty-membership", "0::\n", SYS, None, None),
]


@pytest.mark.parametrize(("cgroup", "mountinfo", "old", "new"), [story[1:] for story in STORIES], ids=[story[0] for story in STORIES])
def test_where_the_runtime_looks(cgroup: str, mountinfo: str, old: str | None, new: str | None) -> None:
    """Go 1.25 and Go 1.26 and later open these files, or none at all."""
    assert [opened(minor, cgroup, mountinfo) for minor in (25, 26, 27)] == [old, new, new]


def test_a_missing_file_is_no_limit() -> None:
    """Where the limit file cannot be opened there is no limit, and the words name the file."""
    seen = locate_limit(26, "0::/a\n", SYS, lambda _: None)
    assert seen == LimitSeen(version=2, cause="not-opened", why="/sys/fs/cgroup/a/cpu.max cannot be opened")


@pytest.mark.parametrize(
    ("minor", "cgroup", "mountinfo", "content", "cause"),
    [
        (27, "0::/a\n", SYS, "max 100000\n", "max"),
        (27, "0::/a\n", SYS, "300000 100000", "malformed"),
        (27, "4:cpu:/a\n", mount("/", "/c", "cgroup", V1), "-1\n", "max"),
        (27, "4:cpu:/a\n", mount("/", "/c", "cgroup", V1), "300000", "malformed"),
        (27, "0::/a\n", SYS, None, "not-opened"),
        (25, "0::/a\n", "", None, "not-mounted"),
        (27, "0::/a\n", "", None, "not-mounted"),
        (27, "", SYS, None, "no-membership"),
        (27, "0::/a\n", "36 25 0:4 net:[4026532281] /run/netns/x rw - nsfs nsfs rw\n" + SYS, None, "no-path"),
        (27, "0:\n", SYS, None, "malformed-text"),
        (27, "0::/a\n", "36 25\n", None, "malformed-text"),
        (27, "0::/" + "a/" * 2040 + "\n", SYS, None, "too-long"),
        (27, "7:a:/" + "x" * 70_000 + "\n0::/a\n", SYS, None, "too-long"),
        (26, "0::/a\n", mount("/", "\\\\\\"), None, "dies"),
        (27, "0::/a\n", SYS, "300000 100000\n", None),
    ],
)
def test_why_there_is_no_quota(minor: int, cgroup: str, mountinfo: str, content: str | None, cause: str | None) -> None:
    """The cause is one word, which rules and advice branch on; there are words for a person whenever there is a cause."""
    seen = locate_limit(minor, cgroup, mountinfo, lambda _: content)
    assert (seen.cause, seen.why is None) == (cause, cause is None)


def test_both_v1_files_have_to_be_there() -> None:
    """A quota whose period file is missing is no limit."""
    files = {"/c/a/cpu.cfs_quota_us": "300000\n"}
    seen = locate_limit(26, "4:cpu:/a\n", mount("/", "/c", "cgroup", V1), files.get)
    assert (seen.files, seen.quota_us, seen.why) == ((), None, "/c/a/cpu.cfs_period_us cannot be opened")


# content, quota and period up to 1.25, from 1.26 on
V2_CONTENTS = [
    ("max 100000\n", None, None),
    ("max x", None, None),
    ("max\n", None, None),
    ("300000 100000\n", (300000, 100000), (300000, 100000)),
    ("300000 100000\nfoo\n", (300000, 100000), (300000, 100000)),
    ("300000 100000", None, None),
    ("300000\n", None, None),
    ("", None, None),
    (" 300000 100000\n", None, None),
    ("300000  100000\n", None, None),
    ("300000\t100000\n", None, None),
    ("300000 100000 \n", None, None),
    ("+300000 100000\n", None, (300000, 100000)),
    ("- 100000\n", (0, 100000), None),
    ("300000 -\n", (300000, 0), None),
    ("-1 100000\n", (-1, 100000), (-1, 100000)),
    ("9223372036854775808 1\n", None, None),
    ("300000 100000\n".ljust(63, "x"), (300000, 100000), (300000, 100000)),
    ("300000 100000\n".ljust(64, "x"), None, None),
]


@pytest.mark.parametrize(("content", "old", "new"), V2_CONTENTS)
def test_cpu_max(content: str, old: tuple[int, int] | None, new: tuple[int, int] | None) -> None:
    """cpu.max gives quota and period where the runtime of that version reads both, and a reason where it does not."""
    for minor, expected in ((25, old), (26, new), (27, new)):
        seen = parse_limit(minor, 2, (content,))
        assert (seen.quota_us, seen.period_us) == (expected or (None, None))
        assert (seen.why is None) == (expected is not None)


@pytest.mark.parametrize(
    ("quota", "period", "expected"),
    [
        ("300000\n", "100000\n", (300000, 100000)),
        ("-1\n", "100000\n", (None, None)),
        ("-1\n", "", (None, None)),
        ("0\n", "100000\n", (0, 100000)),
        ("max\n", "100000\n", (None, None)),
        ("300000", "100000\n", (None, None)),
        ("300000\n", "100000", (None, None)),
        ("300000\n", "1" * 64, (None, None)),
    ],
)
def test_v1_quota_and_period(quota: str, period: str, expected: tuple[int | None, int | None]) -> None:
    """In cgroup v1 a negative quota is no limit, and a quota without a readable period is none either."""
    for minor in (25, 27):
        seen = parse_limit(minor, 1, (quota, period))
        assert (seen.quota_us, seen.period_us) == expected


def test_a_mount_point_that_kills() -> None:
    """Go 1.25 dies of a cgroup mount point longer than a path may be, 1.26 of escapes that no kernel writes."""
    long = mount("/", "/" + "\\040" * 1025)
    assert locate_limit(25, "0::/a\n", long, lambda _: None).dies == "fatal error: output too small"
    assert locate_limit(26, "0::/a\n", long, lambda _: None).dies is None
    assert locate_limit(26, "0::/a\n", mount("/", "\\\\\\"), lambda _: None).dies == "fatal error: panic on system stack"


def test_a_text_that_stands_for_no_bytes_is_malformed() -> None:
    """A text that was not decoded with surrogateescape is refused in one line."""
    with pytest.raises(Malformed, match="surrogateescape"):
        locate_limit(26, "0::/\ud800\n", "", lambda _: None)


@given(minor=st.sampled_from([25, 26, 27]), cgroup=st.binary(), mountinfo=st.binary(), content=st.binary())
def test_any_bytes_have_a_meaning(minor: int, cgroup: bytes, mountinfo: bytes, content: bytes) -> None:
    """No bytes whatever make the lookup raise; there is a quota and a period, or a reason why not."""
    for text in (cgroup, b"0::/a\n"):
        seen = locate_limit(minor, text, mountinfo, lambda _: content)
        assert (seen.why is None) == (seen.cause is None) == (seen.quota_us is not None and seen.period_us is not None)


def test_a_membership_that_no_path_can_be_is_told() -> None:
    """Go 1.26 and later look at its length before they look for its mount."""
    seen = locate_limit(27, "0::/" + "a/" * 2048 + "\n", SYS, lambda _: "300000 100000\n")
    assert (seen.cause, seen.why) == ("too-long", "the path in /proc/self/cgroup is too long")
