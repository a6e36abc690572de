"""A task of Amazon ECS as its agent makes one: real cgroups whose parent nobody inside can see, and its metadata over real HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.live.cgroups import Group, Groups, hierarchies
from tests.live.containers import Podman
from tests.support import goprograms, toolchains
from tests.support.command import PROGRAM, environment, only_process, parse_report, run
from tests.support.needs import only_where, require

pytestmark = pytest.mark.live

_MIB = 1 << 20
_BASE = "http://169.254.170.2/v4/1f0c8f2e4a5b4d6e9c3b7a8d9e0f1a2b-1234567890"
_TASK_ID = "9781c248-0edd-4cdb-9a93-f63cb662a5d3"
_TASK = {
    "Cluster": "default",
    "TaskARN": f"arn:aws:ecs:us-west-2:123456789012:task/default/{_TASK_ID}",
    "Family": "orders",
    "Limits": {"CPU": 0.5, "Memory": 256},
    "Containers": [{"Name": "orders", "Image": "registry.example/secret-image", "Limits": {"CPU": 256, "Memory": 0}}],
    "LaunchType": "FARGATE",
}
_CONTAINER = {"Name": "orders", "Image": "registry.example/secret-image", "Limits": {"CPU": 256, "Memory": 0}}

# Into the cgroups ($1, by blanks), then namespaces of its own: the network with the endpoint's address, and cgroup mounts that begin at the
# container ($2: NAME or v2 at a place, by blanks). $3 is Python, $4 the server; the rest is a script with its arguments.
_INSIDE = """
for place in $1; do echo $$ > "$place/cgroup.procs" || exit 97; done
exec unshare --cgroup --mount --net --propagation private /bin/sh -ec '
  ip link set lo up
  ip address add 169.254.170.2/32 dev lo
  umount --lazy --recursive /sys/fs/cgroup
  mount -t tmpfs cgtune-test /sys/fs/cgroup
  for kind in $2; do
    if [ "$kind" = v2 ]; then umount /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; continue; fi
    mkdir "/sys/fs/cgroup/$kind"
    mount -t cgroup -o "$kind" cgroup "/sys/fs/cgroup/$kind"
  done
  python=$3 server=$4
  shift 4
  "$python" -c "$server" &
  trap "kill $!" EXIT
  until "$python" -c "import socket; socket.create_connection((\\"169.254.170.2\\", 80), 1)" 2>/dev/null; do sleep 0.05; done
  /bin/sh -ec "$@"' sh "$@"
"""
_SERVER = f"""
import http.server, json
PAGES = {{"/task": {_TASK!r}, "": {_CONTAINER!r}}}
class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        page = PAGES.get(self.path.removeprefix({"/" + _BASE.split("/", 3)[3]!r}))
        body = json.dumps(page).encode()
        self.send_response(200 if page else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(("169.254.170.2", 80), Answers).serve_forever()
"""
_LOOKS = """
out=$1 program=$2; shift 2
"$program" report "sleep 600000" >"$out/answer" & pid=$!
until [ -s "$out/answer" ]; do sleep 0.05; done
"$@" inspect --pid $pid --format json >"$out/report.json"
"$@" inspect --pid $pid >"$out/report.txt"
"$@" snapshot "$out/recorded" --pid $pid
"$@" check --pid $pid >"$out/check.txt" || echo "check gave $?" >>"$out/check.txt"
"$@" env --self --go 1.27 >"$out/env"
"$@" exec --dry-run -- "$program" >"$out/exec"
ECS_CONTAINER_METADATA_URI_V4= "$@" exec --dry-run -- "$program" >"$out/exec-without"
kill $pid
"""


def _look(group: Group, folder: Path, program: Path) -> dict[str, Any]:
    """What cgtune says inside of the container; its other answers lie in the folder."""
    kinds = dict.fromkeys("v2" if version == 2 else place.name for version, place in hierarchies().values())
    argv = ["/bin/sh", "-c", _INSIDE, "sh", " ".join(map(str, group.directories())), " ".join(kinds), sys.executable, _SERVER]
    argv += [_LOOKS, "sh", str(folder), str(program), *PROGRAM]
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=300, env=environment(ECS_CONTAINER_METADATA_URI_V4=_BASE), check=False
    )
    assert (done.returncode, done.stderr.replace(f"{_LOOKS}", "")) == (0, done.stderr), done.stderr
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def test_a_go_program_in_an_ecs_task(groups: Groups, tmp_path: Path) -> None:
    """Go 1.27 sees no quota in its container and takes all CPUs; the task's limits, which no file shows, are enforced, and are said."""
    cpus = len(os.sched_getaffinity(0))
    require(cpus > 1, "needs two CPUs: on one a program can take no more than its quota")
    toolchains.goroot("1.27.3")
    task = groups.make("task")
    task.limit_cpu(50_000)
    task.limit_memory(256 * _MIB)
    program = goprograms.build("1.27.3", language="1.25")
    report = _look(groups.make("task", "orders"), tmp_path, program)
    entry = only_process(report)
    # The third witness is the program itself
    assert json.loads((tmp_path / "answer").read_text().splitlines()[0])["gomaxprocs"] == cpus
    assert entry["settings"]["GOMAXPROCS"]["observed"] == cpus
    url = f"{_BASE}/task"
    assert (entry["enforced"]["cpu"]["limit_cores"], entry["enforced"]["cpu"]["bound_by"]) == (0.5, f"ECS task {_TASK_ID}")
    memory = entry["enforced"]["memory"]
    assert (memory["limit_bytes"], memory["bound_by"]) == (256 * _MIB, f"ECS task {_TASK_ID}")
    assert memory["limit_from"] == f"{url}: Limits.Memory"
    last = entry["enforced"]["cpu"]["chain"][-1]
    assert (last["directory"], last["said_by"]) == (url, "Amazon ECS")
    [ecs] = [platform for platform in entry["platforms"] if platform["name"] == "Amazon ECS"]
    assert ecs["told_by"] == ["environment: ECS_CONTAINER_METADATA_URI_V4"]
    assert [(said["resource"], said["of"], said["value"], said["unit"], said["is_cap"]) for said in ecs["said"]] == [
        ("cpu", "task", 0.5, "cores", True),
        ("memory", "task", 256 * _MIB, "bytes", True),
        ("cpu", "container", 256, "units", False),
    ]
    rules = {finding["rule"] for finding in entry["findings"]}
    # Two threads under half a CPU are what is recommended, so more CPUs are needed for that finding
    assert {"ancestor-quota-ignored" if cpus > 2 else "quota-below-two-cpus", "gomemlimit-unset"} <= rules
    assert entry["settings"]["GOMAXPROCS"]["recommended"] == 2
    table = " ".join((tmp_path / "report.txt").read_text().split())
    assert f"0.5 CPUs of {cpus} usable: for all of the ECS task {_TASK_ID}, whose cgroup is hidden, says {url}: Limits.CPU" in table
    assert f"says 256 CPU units, a share of 0.25 CPUs for the container, said, not enforced: {_BASE}" in table
    assert "check gave 1" in (tmp_path / "check.txt").read_text()
    assert "GOMAXPROCS" not in (tmp_path / "exec-without").read_text()
    assert (tmp_path / "exec").read_text() == "GOMAXPROCS=2\nGOMEMLIMIT=230MiB\n"
    env = (tmp_path / "env").read_text()
    assert f"# GOMAXPROCS=2: {url}: Limits.CPU 0.5; " in env
    assert "GOMEMLIMIT='230MiB'\n" in env
    # The recording holds the answers, and of them what a report needs; its replay asks nobody
    kept = b"".join(path.read_bytes() for path in sorted((tmp_path / "recorded").rglob("*")) if path.is_file())
    assert b"secret-image" not in kept
    again = only_process(parse_report(run("inspect", "--root", tmp_path / "recorded", "--format", "json")))
    for name in ("enforced", "platforms"):
        was = only_process(report)[name]
        assert _without_counters(again[name]) == _without_counters(was)
    assert {finding["rule"] for finding in again["findings"]} == rules


def _without_counters(value: object) -> object:
    """What does not grow from one look to the next."""
    if isinstance(value, list):
        return [_without_counters(one) for one in value]
    if isinstance(value, dict):
        grows = ("usage_seconds", "current_bytes", "reclaimable_bytes", "used_bytes", "peak_bytes", "refaults", "parts", "events")
        return {name: _without_counters(one) for name, one in value.items() if name not in grows and "period" not in name}
    return value


# An engine inside of a container: its storage and sockets are in memory, and its containers are made of the outer one's files
_ENGINE = "podman --storage-driver vfs --root /run/storage --runroot /run/runroot --cgroup-manager cgroupfs --runtime runc"
_NEST = f"""
mount --bind / /mnt
cd /tmp
{_ENGINE} run --detach --cgroupns private --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 \\
  --memory 128m --volume /server:/server:ro --rootfs /mnt /server report 'sleep 600000' || exit 1
p=$({_ENGINE} inspect --latest --format '{{{{.State.Pid}}}}')
until {_ENGINE} logs --latest | grep -q gomaxprocs; do sleep 0.1; done
{_ENGINE} logs --latest
"$@" inspect --pid $p --format json
"""


def test_docker_in_docker(podman: Podman) -> None:
    """The inner container has no quota, the outer one has: from the machine and from the outer container it is found, and who hides it."""
    version, place = hierarchies()["cpu"]
    only_where(version == 1, "v2 lets no container have processes beside cgroups of its own: an engine in it moves itself first")
    program = goprograms.build("1.27.3", language="1.25")
    memory = ("--tmpfs", "/var/lib/containers:rw,notmpcopyup", "--tmpfs", "/run:rw,exec,notmpcopyup")
    outer = podman.start("--privileged", "--cpus", "0.5", "--memory", "256m", "--volume", f"{program}:/server:ro", *memory)
    done = outer.run("sh", "-c", _NEST, "sh", *PROGRAM)
    assert done.returncode == 0, done.stderr
    identity, answer, report = done.stdout.split("\n", 2)
    own = f"/libpod_parent/libpod-{outer.identity}/libpod_parent/libpod-{identity}"
    [pid] = Path(f"{place}{own}/cgroup.procs").read_text().split()
    outside = parse_report(run("inspect", "--pid", pid, "--format", "json"))
    for looked in (outside, json.loads(report)):
        entry = only_process(looked)
        [nested] = [platform for platform in entry["platforms"] if platform["name"] == "nested cgroup"]
        assert [told.endswith(f"libpod-{identity}") for told in nested["told_by"]] == [True]
        assert entry["container"]["id"] == identity
        assert (entry["enforced"]["cpu"]["limit_cores"], entry["enforced"]["memory"]["limit_bytes"]) == (0.5, 128 * _MIB)
        assert outer.identity in entry["enforced"]["cpu"]["bound_by"] or looked is not outside
        gomaxprocs = entry["settings"]["GOMAXPROCS"]
        assert gomaxprocs["derived"] == gomaxprocs["observed"] == json.loads(answer)["gomaxprocs"] == len(os.sched_getaffinity(0))
        assert ("ancestor-quota-ignored" in {finding["rule"] for finding in entry["findings"]}) == (gomaxprocs["observed"] > 2)
