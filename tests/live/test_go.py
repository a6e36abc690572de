"""Real Go programs on this machine: what cgtune says of them, from wherever it stands, is what they say of themselves."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cgtune import api
from cgtune.api import inspect_host, judge
from cgtune.errors import Unreadable
from cgtune.outputs.json import render_json
from cgtune.system.capture import Capture
from cgtune.system.host import Host, open_source
from tests.live.cgroups import _ENTER, Group, Groups
from tests.live.containers import _PODMAN, Podman
from tests.support import goprograms, toolchains
from tests.support.command import PROGRAM, ROOT, environment, inspect, only_process, parse_report, run
from tests.support.goprograms import LibraryHost, Probe
from tests.support.needs import only_where, require
from tests.support.serving import Stopwatch

pytestmark = pytest.mark.live

MIB = 1 << 20
# The toolchains that the quick tests of this shelf use already: a fresh machine fetches no other one for this module
STRIPPED = [("1.21.13", "1.21"), ("1.25.5", "1.25"), ("1.27.3", "1.25")]
_KEYS = {"GOMAXPROCS": "gomaxprocs", "GOMEMLIMIT": "memory_limit", "GOGC": "gc_percent"}


@pytest.fixture(scope="module", autouse=True)
def _can_build() -> None:
    """The toolchains are there, or can be fetched."""
    only_where(platform.machine() == "x86_64", "the toolchains are for x86-64")
    for version, _ in STRIPPED:
        toolchains.goroot(version)


def _inside(group: Group) -> tuple[str, ...]:
    """Starts a program inside the group, its pid the one that Popen knows."""
    return ("/bin/sh", "-c", _ENTER, "sh", *map(str, group.directories()), "--")


def _newest(mode: str = "pie-sw") -> Path:
    return goprograms.build("1.27.3", mode, language="1.25")


def _assert_as_said(entry: dict[str, Any], said: dict[str, Any], *, derived: dict[str, Any] | None = None) -> None:
    """Observed is what the program says now, derived what it said at its start."""
    settings = entry["settings"]
    assert {name: settings[name]["observed"] for name in _KEYS} == {name: said[key] for name, key in _KEYS.items()}
    assert {name: settings[name]["derived"] for name in _KEYS} == {name: (derived or said)[key] for name, key in _KEYS.items()}
    assert {setting["observed_from"] for setting in settings.values()} == {"memory"}
    assert entry["go"]["version"] == said["version"].removeprefix("go")


@pytest.mark.parametrize(("version", "language"), STRIPPED)
def test_a_stripped_program_in_half_a_cpu(groups: Groups, version: str, language: str) -> None:
    """Derived, observed and why, all true: by JSON, and by the table with -v."""
    group = groups.make("app")
    group.limit_cpu(50_000)
    program = goprograms.build(version, "pie-sw", language=language)
    with Probe(program, wrapper=_inside(group), environment={"GOMEMLIMIT": "200MiB", "GOGC": "off"}) as probe:
        entry = inspect(probe.pid)
        _assert_as_said(entry, probe.values)
        assert entry["enforced"]["cpu"]["limit_cores"] == 0.5
        assert (entry["settings"]["GOMEMLIMIT"]["derived"], entry["settings"]["GOGC"]["derived"]) == (200 * MIB, "off")
        because = " ".join(entry["settings"]["GOMAXPROCS"]["because"])
        if language == "1.25":
            assert "50000" in because
            assert ("cpu.max" if group.version("cpu") == 2 else "cpu.cfs_quota_us") in because
            assert entry["go"]["follows"]["own"] is True
        else:
            assert "never reads a CPU quota" in because
            assert entry["go"]["follows"] is None
        assert (entry["go"]["pinned"], entry["go"]["container_aware"]) == ((False, True) if language == "1.25" else (None, False))
        shown = run("inspect", "--pid", probe.pid, "-v", COLUMNS="100")
        assert (shown.returncode, shown.stderr) == (0, "")
        assert version in shown.stdout
        words = "".join(shown.stdout.split())
        for setting in entry["settings"].values():
            for step in setting["because"]:
                assert "".join(step.split()) in words


@pytest.mark.parametrize(("version", "language"), STRIPPED)
def test_a_fixed_gomaxprocs(groups: Groups, version: str, language: str) -> None:
    """GOMAXPROCS=8 is what is derived and observed, the reason names the variable, and from 1.25 on it is pinned."""
    group = groups.make("app")
    group.limit_cpu(50_000)
    program = goprograms.build(version, "pie-sw", language=language)
    with Probe(program, wrapper=_inside(group), environment={"GOMAXPROCS": "8"}) as probe:
        entry = inspect(probe.pid)
        _assert_as_said(entry, probe.values)
        assert entry["settings"]["GOMAXPROCS"]["derived"] == 8
        assert "GOMAXPROCS=8" in " ".join(entry["settings"]["GOMAXPROCS"]["because"])
        assert entry["go"]["pinned"] is (True if language == "1.25" else None)


def test_a_limit_file_that_the_program_itself_opened(groups: Groups) -> None:
    """A runtime that was told not to be container-aware follows no file, whatever limit files its program has open."""
    group = groups.make("app")
    name = "cpu.max" if group.version("cpu") == 2 else "cpu.cfs_quota_us"
    opened = next(place / name for place in group.directories() if (place / name).exists())
    wrapper = (*_inside(group), "/bin/sh", "-c", f'exec "$@" 7<{opened}', "sh")
    with Probe(_newest(), wrapper=wrapper, environment={"GODEBUG": "containermaxprocs=0"}) as probe:
        assert os.readlink(f"/proc/{probe.pid}/fd/7") == str(opened)
        entry = inspect(probe.pid)
        _assert_as_said(entry, probe.values)
        assert entry["go"]["follows"] is None
        assert not [note for note in entry["notes"] if "follows" in note["why"]]


def _limit_files(group: Group) -> list[Path]:
    """The files of a group's CPU limit, the quota's first."""
    names = ("cpu.max",) if group.version("cpu") == 2 else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    return [next(place / name for place in group.directories() if (place / name).exists()) for name in names]


def _started_with(group: Group, *inherited: Path) -> tuple[str, ...]:
    """Starts a program inside the group that has inherited these files, open from descriptor 3 on."""
    return (*_inside(group), "/bin/sh", "-c", f'exec "$@" {" ".join(f"{number}<{path}" for number, path in enumerate(inherited, 3))}', "sh")


@pytest.mark.parametrize("version", ["1.25.5", "1.27.3"])
def test_a_limit_file_that_the_program_inherited(groups: Groups, version: str) -> None:
    """The runtime follows the file that it opened, whatever limit files of lower numbers it inherited; who cannot read that says so."""
    group, other = groups.make("app"), groups.make("other")
    group.limit_cpu(50_000)
    other.limit_cpu(170_000)
    (own, *_), inherited = _limit_files(group), _limit_files(other)
    with Probe(goprograms.build(version, "pie-sw", language="1.25"), wrapper=_started_with(group, *inherited)) as probe:
        assert os.readlink(f"/proc/{probe.pid}/fd/3") == str(inherited[0])
        entry = inspect(probe.pid)
        _assert_as_said(entry, probe.values)
        assert (entry["go"]["follows"]["path"], entry["go"]["follows"]["own"]) == (str(own), True)
        assert entry["notes"] == []
        assert "quota 50000 µs" in " ".join(entry["settings"]["GOMAXPROCS"]["because"])
        with _BlindHost() as host:
            blind = only_process(json.loads(render_json(judge(inspect_host(host, [probe.pid])))))
    assert blind["settings"]["GOMAXPROCS"]["observed"] is None
    assert blind["go"]["follows"]["path"] == str(inherited[0])
    assert [note for note in blind["notes"] if "2 limit files are open" in note["why"] and str(inherited[0]) in note["why"]]


class _BlindHost(Host):
    """The machine to one who may not read the memory of its processes."""

    def read_at(self, path: str, offset: int, size: int) -> bytes:
        if path.endswith("/mem"):
            raise Unreadable(f"{path}: permission denied", privilege="CAP_SYS_PTRACE")
        return super().read_at(path, offset, size)


@pytest.mark.parametrize("version", ["1.25.5", "1.27.3"])
def test_a_limit_file_that_the_program_closed(groups: Groups, version: str) -> None:
    """A host program that closes descriptors it did not open takes the quota from a Go runtime in it: that is said, no file is named."""
    require(shutil.which("gcc"), "builds a shared library: needs gcc")
    group = groups.make("app")
    group.limit_cpu(50_000)
    library = goprograms.build(version, "shared-sw", language="1.25")
    script = (
        "import ctypes, os, sys\n"
        "library = ctypes.CDLL(sys.argv[1])\n"
        "library.Probe.restype = ctypes.c_char_p\n"
        "print(library.Probe(b'report').decode(), flush=True)\n"
        "os.closerange(3, 20)\n"
        "for line in sys.stdin:\n"
        "    print(library.Probe(b'report').decode(), flush=True)\n"
    )
    with Probe(Path(sys.executable), "-I", "-c", script, str(library), wrapper=_inside(group), answers=1) as probe:
        probe.ask()
        entry = inspect(probe.pid)
        assert entry["go"]["follows"] is None
        because = " ".join(entry["settings"]["GOMAXPROCS"]["because"])
        assert "sees no CPU quota: what it opened as its limit file, descriptor" in because


@pytest.mark.parametrize("version", ["1.25.5", "1.27.3"])
def test_a_cgroup_namespace_of_the_programs_own(groups: Groups, version: str) -> None:
    """Where the runtime's own words decide, no note speaks of where its namespace might begin."""
    group = groups.make("app")
    group.limit_cpu(50_000)
    program = goprograms.build(version, "pie-sw", language="1.25")
    with Probe(program, wrapper=(*_inside(group), "unshare", "-C", "--")) as probe:
        entry = inspect(probe.pid)
        _assert_as_said(entry, probe.values)
        assert not [note for note in entry["notes"] if "namespace begins" in note["why"]], entry["notes"]


def test_a_godebug_string_that_left_no_trace(groups: Groups) -> None:
    """The linker's -X under -trimpath: the build info says not aware, the program is, and memory is believed."""
    group = groups.make("app")
    group.limit_cpu(50_000)
    with Probe(goprograms.build("1.27.3", "trimpath-x", language="1.21"), wrapper=_inside(group)) as probe:
        entry = inspect(probe.pid)
        _assert_as_said(entry, probe.values)
        assert (entry["go"]["container_aware"], entry["go"]["updates"], entry["go"]["follows"]["own"]) == (True, True, True)
        assert "awareness-disabled-by-build" not in {finding["rule"] for finding in entry["findings"]}
        assert [note for note in entry["notes"] if "its memory has containermaxprocs=1,updatemaxprocs=1" in note["why"]]


def test_values_that_the_program_replaced(groups: Groups) -> None:
    """After its own calls, derived stays what it started with and observed is what it has now."""
    with Probe(_newest(), wrapper=_inside(groups.make("app")), environment={"GOGC": "50"}) as probe:
        start = probe.values
        probe.ask("gomaxprocs 7")
        probe.ask("memlimit 123456789")
        probe.ask("gogc -1")
        entry = inspect(probe.pid)
        _assert_as_said(entry, probe.values, derived=start)
        assert [entry["settings"][name]["observed"] for name in _KEYS] == [7, 123456789, "off"]


def test_fifty_programs(groups: Groups) -> None:
    """cgtune ps on a machine with fifty Go processes is right for each: pid, version, GOMAXPROCS, GOMEMLIMIT, now and derived."""
    programs = [goprograms.build(version, "pie-sw", language=language) for version, language in STRIPPED]
    wrapper = _inside(groups.make("many"))
    with contextlib.ExitStack() as running:
        probes = [
            running.enter_context(
                Probe(
                    programs[number % len(programs)],
                    *(("report", "gomaxprocs 3") if number % 7 == 0 else ("report",)),
                    wrapper=wrapper,
                    environment={"GOMAXPROCS": str(number + 1), "GOMEMLIMIT": f"{number + 20}MiB"} if number % 5 else {},
                )
            )
            for number in range(50)
        ]
        entries = {entry["pid"]: entry for entry in parse_report(run("ps", "--format", "json"))["processes"]}
        lines = {int(words[0]): words for line in run("ps").stdout.splitlines()[1:] if (words := line.split()) and words[0].isdigit()}
        for number, probe in enumerate(probes):
            start = dict(probe.values) | ({"gomaxprocs": number + 1} if number % 5 else {})
            if not number % 5:
                start["gomaxprocs"] = len(os.sched_getaffinity(0))
            _assert_as_said(entries[probe.pid], probe.values, derived=start)
            version = probe.values["version"].removeprefix("go")
            limit = f"{number + 20} MiB" if number % 5 else "off"
            shown = " ".join(lines[probe.pid])
            advised = "as it is" if number % 5 else "unset"  # no limit is enforced
            values = rf"{probe.values['gomaxprocs']} / {start['gomaxprocs']} / (\w+|as it is) {limit} / {limit} / {advised} max max"
            assert re.search(rf"{re.escape(version)} {values}", shown), shown


def test_a_go_library_in_python(groups: Groups) -> None:
    """The runtime inside another program's process: its values are read, and a note says whose environment it had."""
    require(shutil.which("gcc"), "builds a shared library: needs gcc")
    group = groups.make("app")
    library = goprograms.build("1.27.3", "shared-sw", language="1.25")
    with LibraryHost(library, environment={"GOMAXPROCS": "3"}) as host:
        for place in group.directories():
            (place / "cgroup.procs").write_text(str(host.pid))
        entry = inspect(host.pid)
        _assert_as_said(entry, host.values)
        assert entry["go"]["path"] == str(library)
        assert entry["executable"] != str(library)
        (facts,) = api.inspect(pid=host.pid).processes[0].snapshot.go
        assert facts.program.in_library
        assert [note["path"] for note in entry["notes"] if "shared library" in note["why"]] == [str(library)]
        host.ask("0 gomaxprocs 6")
        assert inspect(host.pid)["settings"]["GOMAXPROCS"]["observed"] == 6


class _DoorlessHost(Host):
    """The machine to one who may not follow the kernel's links to mapped files, as most sidecars may not."""

    def read_file_identity(self, path: str) -> tuple[int, ...]:
        if "/map_files/" in path:
            raise Unreadable(f"{path}: permission denied", privilege="CAP_SYS_ADMIN")
        return super().read_file_identity(path)


def test_a_library_that_was_replaced_on_disk(tmp_path: Path) -> None:
    """Where only its path leads to a library, the file there is taken if it is the mapped one, and no other: no values of that one."""
    require(shutil.which("gcc"), "builds a shared library: needs gcc")
    library = tmp_path / "library.so"
    shutil.copy(goprograms.build("1.27.3", "shared-sw", language="1.25"), library)

    def look(pid: int) -> dict[str, Any]:
        with _DoorlessHost() as host:
            return only_process(json.loads(render_json(judge(inspect_host(host, [pid])))))

    with LibraryHost(library) as host:
        _assert_as_said(look(host.pid), host.values)
        library.unlink()
        shutil.copy(goprograms.build("1.25.5", "shared-sw", language="1.25"), library)
        entry = look(host.pid)
        assert entry["go"] is None
        assert "is another file than the one that is mapped" in next(note["why"] for note in entry["notes"] if note["path"] == str(library))


def test_a_deleted_executable(tmp_path: Path) -> None:
    """A program whose file is gone, or is another one by now, is read all the same."""
    copy = tmp_path / "server"
    shutil.copy(_newest(), copy)
    with Probe(copy) as probe:
        copy.unlink()
        shutil.copy(goprograms.build("1.21.13", "pie-sw"), copy)
        entry = inspect(probe.pid)
        _assert_as_said(entry, probe.values)
        assert (entry["go"]["deleted"], entry["go"]["version"]) == (True, "1.27.3")


def test_another_users_program(groups: Groups, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without the right to look, nothing is invented: no values, and a note names the capability; ps counts what it cannot see."""
    place = tmp_path_factory.mktemp("open")
    for folder in (place, *place.parents[:2]):
        folder.chmod(0o755)
    shutil.copy(_newest(), place / "server")
    as_nobody = (*_inside(groups.make("app")), "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
    with Probe(place / "server", wrapper=as_nobody) as probe:
        powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--", *PROGRAM]
        look = [*powerless, "inspect", "--pid", str(probe.pid), "--format", "json"]
        done = subprocess.run(look, capture_output=True, text=True, timeout=120, env=environment(), check=False)
        entry = only_process(parse_report(done))
        assert (entry["go"], entry["settings"]) == (None, {})
        assert "CAP_SYS_PTRACE" in {note["privilege"] for note in entry["notes"]}
        listed = subprocess.run([*powerless, "ps"], capture_output=True, text=True, timeout=120, env=environment(), check=False)
        assert listed.returncode == 0
        assert f"{probe.pid} server" not in listed.stdout
        assert "could not be looked into" in listed.stdout
        assert "CAP_SYS_PTRACE" in listed.stdout
        _assert_as_said(inspect(probe.pid), probe.values)


def test_what_was_refused_is_refused_in_the_recording(groups: Groups, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Root that may not list another user's open files sees Go 1.27 without them: the replay says so with the same notes."""
    require(os.geteuid() == 0, "takes root's rights away: run as root")
    place = tmp_path_factory.mktemp("open")
    for folder in (place, *place.parents[:2]):
        folder.chmod(0o755)
    shutil.copy(_newest(), place / "server")
    as_nobody = (*_inside(groups.make("app")), "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
    with Probe(place / "server", wrapper=as_nobody) as probe:
        bounded = ("setpriv", "--bounding-set=-dac_read_search,-dac_override", "--inh-caps=-all", "--", *PROGRAM)

        def say(*arguments: object, by: tuple[str, ...] = tuple(PROGRAM)) -> subprocess.CompletedProcess[str]:
            argv = [*by, *map(str, arguments), "--pid", str(probe.pid)]
            return subprocess.run(argv, capture_output=True, text=True, timeout=120, env=environment(), check=False)

        assert say("snapshot", place / "out", by=bounded).returncode == 0
        live = only_process(parse_report(say("inspect", "--format", "json", by=bounded)))
    replayed = only_process(parse_report(say("inspect", "--root", place / "out", "--format", "json")))
    assert replayed["notes"] == live["notes"]
    assert [note["why"] for note in live["notes"] if note["path"] == f"/proc/{probe.pid}/fd"] == ["permission denied"]


@pytest.mark.parametrize("form", ["folder", "file"])
def test_a_recording_replays_to_the_same_report(groups: Groups, tmp_path: Path, form: str) -> None:
    """A recording of a stripped program replays, when the program is no more, to the very bytes of the report it was made with."""
    group = groups.make("app")
    group.limit_cpu(50_000)
    out = tmp_path / ("stuck" if form == "folder" else "stuck.tar.gz")
    with Probe(_newest(), wrapper=_inside(group), environment=_SECRETIVE) as probe:
        capture = Capture(open_source("/"))
        with Host(source=capture) as host:
            recorded = render_json(judge(inspect_host(host, [probe.pid])))
            capture.replace_recording(str(out))
        said = probe.values
    replayed = run("inspect", "--root", out, "--pid", probe.pid, "--format", "json").stdout
    assert replayed == recorded
    entry = only_process(json.loads(replayed))
    _assert_as_said(entry, said)
    assert entry["settings"]["GOMAXPROCS"]["observed"] == 5


_SECRETIVE = {"DATABASE_PASSWORD": "hunter2-secret", "GOMAXPROCS": "5", "GODEBUG": "updatemaxprocs=0"}


def test_a_recording_keeps_no_secrets(groups: Groups, tmp_path: Path) -> None:
    """cgtune snapshot keeps Go's variables and no value of any other; its replay says what the program says."""
    out = tmp_path / "stuck"
    with Probe(_newest(), wrapper=_inside(groups.make("app")), environment=_SECRETIVE) as probe:
        done = run("snapshot", out, "--pid", probe.pid)
        assert (done.returncode, done.stderr) == (0, "")
    _assert_as_said(only_process(parse_report(run("inspect", "--root", out, "--pid", probe.pid, "--format", "json"))), probe.values)
    kept = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file() and not path.is_symlink())
    assert b"GOMAXPROCS=5" in kept
    assert b"DATABASE_PASSWORD=" in kept
    assert b"hunter2" not in kept


class _Endpoint(http.server.BaseHTTPRequestHandler):
    """A metrics endpoint that says what its server's ``page`` holds, or misbehaves."""

    def do_GET(self) -> None:
        page = getattr(self.server, "page", "")
        if self.path == "/slow":
            with contextlib.suppress(OSError):
                for _ in range(600):
                    self.wfile.write(b"H")
                    time.sleep(0.1)
            return
        self.send_response(500 if self.path == "/broken" else 200)
        self.end_headers()
        with contextlib.suppress(OSError):
            if self.path == "/huge":
                for _ in range(200):
                    self.wfile.write(b"x" * (1 << 16))
            elif self.path == "/garbage":
                self.wfile.write(bytes(range(256)) * 64 + b"\ngo_gc_gogc_percent nonsense\ngo_sched_gomaxprocs_threads -1e400\n")
            else:
                self.wfile.write(page.encode())

    def log_message(self, *_words: object) -> None:
        """Nothing on standard error."""


@pytest.fixture
def endpoint() -> Iterator[http.server.ThreadingHTTPServer]:
    """A real HTTP server on a port of its own."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _url(server: http.server.ThreadingHTTPServer, path: str = "/metrics") -> str:
    return f"http://127.0.0.1:{server.server_address[1]}{path}"


def _page(gomaxprocs: object, gomemlimit: object, gogc: object) -> str:
    """As client_golang prints it."""
    return (
        "# HELP go_sched_gomaxprocs_threads The current runtime.GOMAXPROCS setting.\n# TYPE go_sched_gomaxprocs_threads gauge\n"
        f"go_sched_gomaxprocs_threads {gomaxprocs}\ngo_gc_gomemlimit_bytes {gomemlimit}\ngo_gc_gogc_percent {gogc}\n"
        'go_info{version="go1.27.3"} 1\n'
    )


def _inspect_with(pid: int, url: str) -> dict[str, Any]:
    return only_process(parse_report(run("inspect", "--pid", pid, "--metrics-url", url, "--format", "json")))


def test_the_programs_own_endpoint(endpoint: http.server.ThreadingHTTPServer) -> None:
    """An endpoint that agrees with memory adds nothing; one that contradicts it costs a note for each value, and memory is believed.

    What is secret in its URL is in none of them.
    """
    with Probe(_newest(), environment={"GOMAXPROCS": "5"}) as probe:
        setattr(endpoint, "page", _page(5, "9.223372036854776e+18", 100))  # noqa: B010  # http.server's own type has no such attribute
        entry = _inspect_with(probe.pid, _url(endpoint))
        _assert_as_said(entry, probe.values)
        assert not [note for note in entry["notes"] if note["path"] == _url(endpoint)]
        setattr(endpoint, "page", _page(4, "1.048576e+06", "1.8446744073709552e+19"))  # noqa: B010
        entry = _inspect_with(probe.pid, _url(endpoint).replace("//", "//ada:hunter2@") + "?token=hunter2")
        _assert_as_said(entry, probe.values)
        assert "hunter2" not in json.dumps(entry)
        said = [note["why"] for note in entry["notes"] if note["path"] == _url(endpoint)]
        assert len(said) == 3
        assert all(word in " ".join(said) for word in ("GOMAXPROCS 4", "GOMEMLIMIT 1048576", "GOGC off"))


def test_an_endpoint_in_a_recording(endpoint: http.server.ThreadingHTTPServer, tmp_path: Path) -> None:
    """What the endpoint said is said in the replay, byte for byte, when nobody listens any more; without the option nothing of it is."""
    setattr(endpoint, "page", _page(4, "1.048576e+06", 50))  # noqa: B010
    url, capture = f"{_url(endpoint)}?token=hunter2", Capture(open_source("/"))
    with Probe(_newest()) as probe:
        with Host(source=capture) as host:
            recorded = render_json(judge(inspect_host(host, [probe.pid], metrics_url=url)))
            capture.replace_recording(str(tmp_path / "held"))
        done = run("snapshot", tmp_path / "out.tar.gz", "--pid", probe.pid, "--metrics-url", url)
        assert (done.returncode, done.stderr) == (0, "")
        unread = run("snapshot", tmp_path / "none", "--pid", probe.pid, "--metrics-url", _url(endpoint, "/broken"))
        assert (unread.returncode, len(unread.stderr.splitlines()), (tmp_path / "none").exists()) == (3, 1, False)
    endpoint.shutdown()
    assert "the endpoint says GOMAXPROCS 4" in recorded
    replayed = run("inspect", "--root", tmp_path / "held", "--pid", probe.pid, "--metrics-url", url, "--format", "json").stdout
    assert replayed == recorded
    out = ("inspect", "--root", tmp_path / "out.tar.gz", "--pid", probe.pid, "--format", "json")
    assert "the endpoint says GOMAXPROCS 4" in run(*out, "--metrics-url", url.partition("?")[0]).stdout
    assert "endpoint" not in run(*out).stdout
    assert b"hunter2" not in b"".join(path.read_bytes() for path in (tmp_path / "held").rglob("*") if path.is_file())


def test_an_endpoint_that_says_nothing_of_use(endpoint: http.server.ThreadingHTTPServer) -> None:
    """A page of garbage is a note for each value; what memory tells stays."""
    with Probe(_newest()) as probe:
        entry = _inspect_with(probe.pid, _url(endpoint, "/garbage"))
        _assert_as_said(entry, probe.values)
        assert len([note for note in entry["notes"] if "does not name one" in note["why"]]) == 3


def test_endpoints_that_cannot_be_read(endpoint: http.server.ThreadingHTTPServer) -> None:
    """Nobody listens, an error, no end, too slow, no HTTP at all: one line each, within seconds, and the exit code of the contract."""
    with Probe(_newest()) as probe:
        refused = "http://127.0.0.1:9/metrics"
        for url, code in (
            (refused, 3),
            (_url(endpoint, "/broken"), 3),
            (_url(endpoint, "/huge"), 3),
            (_url(endpoint, "/slow"), 3),
            ("ftp://127.0.0.1/metrics", 2),
            ("file:///etc/passwd", 2),
            ("http://", 3),
            ("http://[::1/metrics", 3),
        ):
            with Stopwatch() as watch:
                done = run("inspect", "--pid", probe.pid, "--metrics-url", url)
            assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (code, "", 1), (url, done)
            assert watch.seconds < 10, url


@pytest.mark.parametrize(("version", "options"), [("1.27.3", ()), ("1.25.5", ("--cgroupns", "private"))])
def test_a_program_in_a_container(podman: Podman, version: str, options: tuple[str, ...]) -> None:
    """One Go program in half a CPU: the host, the container itself and a sidecar report the same values, the program's own."""
    program = goprograms.build(version, "pie-sw", language="1.25")
    limits = ("--cpus", "0.5", "--memory", "256m", "--env", "GOMEMLIMIT=200MiB")
    container = podman.start(*limits, *options, "--volume", f"{program}:/server:ro")
    started = subprocess.Popen([*_PODMAN, "exec", container.name, "/server"], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    with started:
        said = json.loads(started.stdout.readline())
        cgtune = (str(ROOT / "scripts" / "cgtune"), "inspect", "--pid", str(said["pid"]), "--format", "json")
        sidecar = podman.run("--pid", f"container:{container.name}", "--cpus", "0.25", "--memory", "128m", argv=cgtune)
        entries = {"inside": only_process(parse_report(container.run(*cgtune))), "sidecar": only_process(parse_report(sidecar))}
        listed = parse_report(run("ps", "--format", "json"))["processes"]
        entries["host"] = next(entry for entry in listed if entry["container"]["id"] == container.identity)
        for place, entry in entries.items():
            _assert_as_said(entry, said)
            assert entry["enforced"]["cpu"]["limit_cores"] == 0.5, place
            assert entry["settings"]["GOMEMLIMIT"]["derived"] == 200 * MIB
            # The file that the runtime holds open is its own cgroup's, from wherever one looks
            assert entry["go"]["follows"]["own"] is True, (place, entry["go"]["follows"])
        os.kill(entries["host"]["pid"], 9)
