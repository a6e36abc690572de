"""``cgtune fleet`` against Debian's Prometheus: faults and gaps of a fleet that nobody runs, and a real Go program in a pod's cgroup.

That is seen by a real ``cgtune serve`` and scraped, beside Prometheus's own page, which client_golang writes.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cgtune.commands.schema import render_schema
from tests.live.cgroups import Groups
from tests.support import goprograms, inside
from tests.support.command import run
from tests.support.engines import Engine, prometheus
from tests.support.fleetdata import FAULTS, fleet, gaps, machine, series_of
from tests.support.needs import require
from tests.support.serving import PATIENCE_SECONDS, Service

pytestmark = [pytest.mark.live, pytest.mark.slow]

_POD, _UID, _CONTAINER = "orders-5d4f8c7b9d-bcdfx", "7b1d3f52-6a0e-4c8d-9a51-2f0f6f1c9e37", "c3" * 32

# Into the cgroups ($1, by blanks), then namespaces of its own with the files that kubelet and engine mount into a container: the name of
# the pod ($2), the service account ($3), and the place for last words ($4), whose path has the container's name; the rest is the program.
_INSIDE = """
for place in $1; do echo $$ > "$place/cgroup.procs" || exit 97; done
exec unshare --uts --mount --propagation private /bin/sh -ec '
  hostname "$(cat "$2")"
  mount --bind "$2" /etc/hostname
  mount --bind "$3" "$3"
  mount --bind "$4" "$5"
  shift 5
  exec "$@"' sh "$@"
"""


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A Prometheus with 26 hours of 60 containers that end in some minutes: what stands still has samples near its end alone."""
    end = (int(time.time()) + 270) // 60 * 60
    begin = (end - 30 * 3600) // 3600 * 3600
    services = chain.from_iterable(series_of(each, begin, end) for each in fleet(60))
    with prometheus(chain(services, gaps(begin, end), machine(begin, end)), tmp_path_factory.mktemp("planted")) as engine:
        yield engine


def _asked(engine: Engine, *arguments: object) -> inside.Done:
    return inside.run("fleet", "--prometheus", engine.url, "--last", "26h", *arguments)


def test_planted_faults_and_no_other(planted: Engine) -> None:
    """Each kind of fault is told of each of its services, and of no other; what hurts stands before what does not; the JSON is valid."""
    done = _asked(planted, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    content: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(content, json.loads(render_schema("fleet")), jsonschema.Draft202012Validator)
    assert content["queries"] <= 24  # the 23 questions, and one to the server for its name
    found = {row["name"]: [finding["rule"] for finding in row["findings"]] for row in content["workloads"]}
    planted_names = {each.name: each.fault for each in fleet(60)}
    assert {name for name in planted_names if name not in found} == set()
    missed = {name: found[name] for name, fault in planted_names.items() if fault and fault not in found[name]}
    assert missed == {}
    assert {name: found[name] for name, fault in planted_names.items() if not fault and found[name]} == {}
    assert len({fault for fault in planted_names.values() if fault}) == len(FAULTS)
    harms = [next((finding["harm"] for finding in row["findings"]), "none") for row in content["workloads"]]
    assert harms == sorted(harms, key=("now", "earlier", "possible", "none").index)


def test_the_doctor_names_the_planted_gaps(planted: Engine) -> None:
    """Each with the line that mends it."""
    done = _asked(planted, "--doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert "no series of cgtune serve" in done.stdout
    assert done.stdout.count("not known: ") == done.stdout.count("to mend it: ") >= 3


def test_each_face_of_it(planted: Engine, tmp_path: Path) -> None:
    """Table, page, patches and comparison of the same fleet; nothing changed since a moment ago."""
    done = _asked(planted, "--top", "5", "--fail-on", "critical")
    assert done.returncode == 1
    assert "hurts now" in done.stdout
    assert " more: --top " in done.stdout
    assert _asked(planted, "--format", "html").stdout.startswith("<!doctype html>")
    old = tmp_path / "old.json"
    old.write_text(_asked(planted, "--format", "json").stdout)
    done = _asked(planted, "--diff", old, "--fail-on", "info")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"since \S+: \d+ as before; Prometheus ", done.stdout)
    folder = tmp_path / "patches"
    folder.mkdir()
    assert _asked(planted, "--patch", "kustomize", "--output", folder).returncode == 0
    assert len([*folder.iterdir()]) > 10


def _config(serve: str, own: str) -> dict[str, Any]:
    names = {"namespace": "monitoring", "pod": "prometheus-0", "container": "prometheus"}
    return {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [
            {"job_name": "cgtune", "honor_labels": True, "static_configs": [{"targets": [serve]}]},
            {"job_name": "prometheus", "static_configs": [{"targets": [own], "labels": names}]},
        ],
    }


def test_a_real_program_through_serve_and_a_scrape(groups: Groups, tmp_path: Path) -> None:
    """Go 1.24 with eight threads under a fifth of a CPU, in the cgroup of a pod: its row has what serve saw of it, and what it suffers."""
    require(shutil.which("prometheus"), "apt-get install --no-install-recommends prometheus")
    group = groups.make("kubepods", "burstable", f"pod{_UID}", _CONTAINER)
    group.limit_cpu(20_000)
    account = tmp_path / "var/run/secrets/kubernetes.io/serviceaccount"
    (account / "..2026").mkdir(parents=True)
    (account / "..2026/namespace").write_text("shop")
    (account / "..data").symlink_to("..2026")
    name, log, place = tmp_path / "hostname", tmp_path / f"var/lib/kubelet/pods/{_UID}/containers/server/0a1b2c3d", tmp_path / "last-words"
    log.parent.mkdir(parents=True)
    for file, text in ((name, f"{_POD}\n"), (log, ""), (place, "")):
        file.write_text(text)
    argv = ["/bin/sh", "-c", _INSIDE, "sh", " ".join(map(str, group.directories())), *map(str, (name, account, log, place))]
    program = subprocess.Popen(
        [*argv, str(goprograms.build("1.24.11")), "burn 4"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"GOMAXPROCS": "8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    try:
        assert program.stdout is not None
        assert program.stdout.readline()
        with Service("--interval", "1s", "--least-age", "0s") as service:
            service.wait_for_report()
            _look(tmp_path, service)
    finally:
        program.kill()
        program.communicate()


def _look(place: Path, service: Service) -> None:
    from tests.support.engines import _free_port, _running  # what answers is of its own config here

    port = _free_port()
    (place / "prometheus.yaml").write_text(json.dumps(_config(service.address, f"127.0.0.1:{port}")))
    words = ["prometheus", "--config.file=prometheus.yaml", "--storage.tsdb.path=data", f"--web.listen-address=127.0.0.1:{port}"]
    with _running(words, place, port, "/-/ready") as engine:
        rows: dict[str, Any] = {}
        deadline = time.monotonic() + 2 * PATIENCE_SECONDS
        while not {"orders", "prometheus"} <= rows.keys():
            assert time.monotonic() < deadline, rows.keys()
            time.sleep(1)
            done = run("fleet", "--prometheus", engine.url, "--last", "10m", "--format", "json")
            if done.returncode == 0:
                rows = {row["name"]: row for row in json.loads(done.stdout)["workloads"]}
        orders, own = rows["orders"], rows["prometheus"]
        assert (orders["namespace"], orders["container"], orders["go"]) == ("shop", "server", ["1.24.11"])
        assert orders["settings"]["GOMAXPROCS"] == {"least": 8, "most": 8}
        assert (orders["enforced"]["cpu_limit_cores"], orders["used"]["sources"][:1]) == (0.2, ["cgtune"])
        assert "gomaxprocs-exceeds-quota" in [finding["rule"] for finding in orders["findings"]]
        assert own["settings"]["GOMAXPROCS"]["most"] is None or own["settings"]["GOMAXPROCS"]["most"] >= 1
        assert own["go"]
        assert "client_golang" in own["used"]["sources"]
