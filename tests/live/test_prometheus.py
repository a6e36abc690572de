"""Debian's Prometheus scrapes a running cgtune serve beside a mistuned Go program: the finding shows, the alerts fire, and both end."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.deploy.test_prometheus import board_expressions
from tests.live.cgroups import _ENTER, Group, Groups, own_groups
from tests.support import goprograms
from tests.support.command import ROOT
from tests.support.goprograms import Probe
from tests.support.needs import require
from tests.support.serving import PATIENCE_SECONDS, Service

pytestmark = pytest.mark.live

_INTERVAL_SECONDS = 2.0


class Prometheus:
    """A Prometheus that scrapes these addresses every second and has our rules, with shorter waits; as a context manager."""

    def __init__(self, place: Path, *addresses: str) -> None:
        require(shutil.which("prometheus"), "apt-get install --no-install-recommends prometheus")
        rules = (ROOT / "deploy" / "prometheus" / "cgtune.rules.yaml").read_text()
        hurried = re.sub(r"\[5m\]", "[8s]", re.sub(r"\bfor: \d+[mh]$", "for: 2s", rules, flags=re.MULTILINE))
        assert len(re.findall("for: 2s", hurried)) == len(re.findall(r"\bfor: ", rules))
        (place / "rules.yaml").write_text(hurried)
        jobs = [{"job_name": "cgtune", "honor_labels": True, "static_configs": [{"targets": list(addresses)}]}]
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": ["rules.yaml"], "scrape_configs": jobs}
        (place / "prometheus.yaml").write_text(json.dumps(config))
        self._log = (place / "log").open("w")
        command = ["prometheus", "--config.file=prometheus.yaml", "--storage.tsdb.path=data", "--web.listen-address=127.0.0.1:0"]
        self.process = subprocess.Popen(command, cwd=place, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        self.address = ""
        self.wait_for(self._is_ready)

    def _is_ready(self) -> bool:
        log = Path(self._log.name).read_text()
        assert self.process.poll() is None, log[-2000:]
        found = re.search(r'msg="Listening on" address=(\S+)', log)
        if found is None:
            return False
        self.address = found[1]
        try:
            return self.fetch("/-/ready") is not None
        except OSError:
            return False

    def fetch(self, path: str) -> str:
        """The body of one request."""
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=PATIENCE_SECONDS) as response:
            body: str = response.read().decode()
            return body

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each sample that the expression has now."""
        answer = json.loads(self.fetch("/api/v1/query?" + urllib.parse.urlencode({"query": expression})))
        assert answer["status"] == "success", answer
        return [(sample["metric"], float(sample["value"][1])) for sample in answer["data"]["result"]]

    def firing(self, alert: str, **labels: str) -> list[dict[str, Any]]:
        """The alerts of this name with these labels that fire; there may be other Go programs on this machine."""
        alerts = json.loads(self.fetch("/api/v1/alerts"))["data"]["alerts"]
        wanted = {"alertname": alert, **labels}
        return [each for each in alerts if wanted.items() <= each["labels"].items() and each["state"] == "firing"]

    def wait_for(self, is_so: Callable[[], object]) -> None:
        """Until it is so."""
        deadline = time.monotonic() + 2 * PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, "not so in time"
            time.sleep(0.1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()


def _mistuned(group: Group, *commands: str, gomaxprocs: int = 8) -> Probe:
    wrapper = ("/bin/sh", "-c", _ENTER, "sh", *map(str, group.directories()), "--")
    return Probe(goprograms.build("1.24.11"), *commands, environment={"GOMAXPROCS": str(gomaxprocs)}, wrapper=wrapper)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """cgtune serve, as a user starts it, but for shorter intervals."""
    with Service("--interval", f"{_INTERVAL_SECONDS:g}s") as started:
        yield started.wait_for_report()


@pytest.fixture(scope="module")
def prometheus(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes it."""
    with Prometheus(tmp_path_factory.mktemp("prometheus"), service.address) as started:
        started.wait_for(lambda: started.query("up == 1"))
        yield started


@pytest.fixture(scope="module")
def stage() -> Iterator[Groups]:
    """Control groups for the tests of this module."""
    with own_groups() as own:
        yield own


def test_a_mistuned_program_from_its_start_to_its_repair(stage: Groups, service: Service, prometheus: Prometheus) -> None:
    """After two looks Prometheus shows it by name and workload, an alert tells that something is misset; the finding ends with the quota,
    and stays away with the advised value.
    """
    group = stage.make("app")
    group.limit_cpu(50_000)
    with _mistuned(group) as probe:
        mine = f'pid="{probe.pid}"'
        name = Path(f"/proc/{probe.pid}/comm").read_text().strip()
        # A warning: without a quota, 8 threads on fewer CPUs are still worth an info.
        finding = f'cgtune_finding{{{mine},rule="gomaxprocs-exceeds-quota",severity="warning"}}'
        before = service.metrics()["cgtune_scans_total"][0][1]
        while not prometheus.query(finding):
            # Scans that Prometheus knows of, from a page without the finding. The scan that was under way may have passed it by; for the
            # next one it is not one interval old, in whole seconds; then it shows, and may be counted a moment before.
            assert service.process.poll() is None
            for _, scans in prometheus.query(f"cgtune_scans_total unless on (instance) {finding}"):
                assert scans - before <= 4
            time.sleep(0.1)
        ((labels, value),) = prometheus.query(finding)
        assert (labels["command"], labels["workload"], value) == (name, group.path, 1.0)
        assert [value for _, value in prometheus.query(f"cgtune_gomaxprocs_observed{{{mine}}}")] == [8.0]
        ((_, advised),) = prometheus.query(f"cgtune_gomaxprocs_recommended{{{mine}}}")
        prometheus.wait_for(lambda: prometheus.firing("CgtuneMisset", job="cgtune"))
        (said,) = prometheus.firing("CgtuneMisset", job="cgtune")
        assert "gomaxprocs-exceeds-quota: " in said["annotations"]["description"]
        assert "pid" not in said["labels"]
        assert service.fetch("/check").status == 503
        group.limit_cpu(None)
        prometheus.wait_for(lambda: not prometheus.query(finding))
        group.limit_cpu(50_000)
        prometheus.wait_for(lambda: prometheus.query(finding))
    prometheus.wait_for(lambda: not prometheus.query(finding))
    with _mistuned(group, gomaxprocs=int(advised)) as probe:
        mine = f'pid="{probe.pid}"'
        prometheus.wait_for(lambda: prometheus.query(f"cgtune_gomaxprocs_observed{{{mine}}}"))
        assert prometheus.query(f'cgtune_finding{{{mine},severity!="info"}}') == []


def _says(prometheus: Prometheus, words: str, **labels: str) -> bool:
    return any(words in alert["annotations"]["description"] for alert in prometheus.firing("CgtuneHarm", **labels))


def test_throttling_that_hurts_now(stage: Groups, prometheus: Prometheus) -> None:
    """Two busy programs in one cgroup with too many threads are one alert, with cause, pids and share; one that rests stays silent."""
    busy, calm = stage.make("busy"), stage.make("calm")
    busy.limit_cpu(20_000)
    with _mistuned(busy, "burn 4") as burning, _mistuned(busy, "burn 4") as beside, _mistuned(calm):
        calm.limit_cpu(20_000)  # now that it rests: a start is busy too
        hurt = {"workload": busy.path, "rule": "cpu-throttled"}
        prometheus.wait_for(lambda: prometheus.firing("CgtuneHarm", **hurt))
        for said_of in (f"(pid {burning.pid})", f"(pid {beside.pid})"):
            prometheus.wait_for(partial(_says, prometheus, said_of, **hurt))
        (said,) = prometheus.firing("CgtuneHarm", **hurt)
        assert f"{busy.path} hurts now: cpu-throttled. Its cause is gomaxprocs-exceeds-quota." in said["annotations"]["description"]
        assert "The CPU limit is 0.2. GOMAXPROCS is 8. Recommended is 2." in said["annotations"]["description"]
        assert prometheus.firing("CgtuneHarm", workload=calm.path) == []
        share = f'pid:cgtune_cpu_throttled_periods_per_periods:ratio_rate5m{{pid="{burning.pid}"}}'
        prometheus.wait_for(lambda: any(0.25 < ratio <= 1.0 for _, ratio in prometheus.query(share)))
        used = f'sum(rate(cgtune_cpu_seconds_total{{workload="{busy.path}"}}[20s]))'
        prometheus.wait_for(lambda: any(0.18 < cores < 0.22 for _, cores in prometheus.query(used)))


def test_a_kill_fires_though_process_and_series_are_gone(stage: Groups, service: Service, prometheus: Prometheus) -> None:
    """A Go program that is killed at its memory limit: the alert names its workload, at once."""
    group = stage.make("killed")
    group.limit_memory(64 << 20)
    victim = group.start([str(goprograms.build("1.24.11")), "alloc 20000000", "sleep 9000", "alloc 100000000"])
    victim.wait(PATIENCE_SECONDS)
    service.wait_for(lambda: any(line["pid"] == victim.pid for line in service.events("process-killed")))
    prometheus.wait_for(lambda: prometheus.firing("CgtuneOomKilled", workload=group.path))
    (said,) = prometheus.firing("CgtuneOomKilled", workload=group.path)
    assert said["annotations"]["summary"] == f"{group.path}: killed by the OOM killer"
    assert "Kills of it since cgtune began to look: 1." in said["annotations"]["description"]


def test_the_dashboard_has_something_to_show(stage: Groups, prometheus: Prometheus) -> None:
    """With a Go program under quota and memory limit every query of the dashboard has data, but for files that only cgroup v2 has."""
    group = stage.make("board")
    group.limit_cpu(50_000)
    group.limit_memory(128 << 20)
    with _mistuned(group, "memlimit 100000000") as probe:
        prometheus.wait_for(lambda: prometheus.query(f'rate(cgtune_cpu_periods_total{{pid="{probe.pid}"}}[10s])'))
        empty = {expression for expression in board_expressions() if not prometheus.query(expression)}
        left = {name for expression in empty for name in re.findall(r"cgtune_\w+", expression)}
        only_v2 = {"cgtune_pressure_waiting_seconds_total", "cgtune_memory_high_bytes"} if group.version("memory") == 1 else set()
        # No period with CPU time passed: the quotient has no value, and no line is shown. And nothing hurts, if no other test ran.
        idle = {
            "cgtune_go_gc_cpu_ratio",  # known from the first collection on
            "cgtune_cpu_throttled_periods_total",
            "cgtune_cpu_periods_total",
            "cgtune_harm",
            "cgtune_workload_last_oom_kill_timestamp_seconds",
        }
        assert left <= only_v2 | idle, empty


def test_the_page_passes_the_check_of_prometheus(stage: Groups, service: Service) -> None:
    """promtool check metrics has nothing against a page with a real Go program in it."""
    require(shutil.which("promtool"), "apt-get install --no-install-recommends prometheus")
    group = stage.make("page")
    group.limit_cpu(50_000)
    with _mistuned(group) as probe:
        service.wait_for(lambda: str(probe.pid) in {labels["pid"] for labels, _ in service.metrics().get("cgtune_go_info", [])})
        page = service.fetch("/metrics").body
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_it_ends_in_time(service: Service, prometheus: Prometheus) -> None:
    """TERM, between two scrapes: gone within two seconds, with exit code 0, and Prometheus notices."""
    assert service.stop() < 2
    prometheus.wait_for(lambda: prometheus.query("up == 0"))
