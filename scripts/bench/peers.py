"""cgtune beside what people ask today: what each answers in one container of 1.5 CPUs and 512 MiB, and what that costs.

All run beside the Go program that they are asked about, whose debug information is stripped but for one row, and take turns. CPU time is
user and system time of a run and of its children, from wait4(2); of a service that of one look, or one scrape. What is not on PATH is
"not here": nothing is fetched. docs/bench.md says where each of them comes from. Prints Markdown.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.bench.serve import cpu_seconds
from scripts.bench.startup import enter_container, spend_ms, target
from tests.support.command import PROGRAM, uncounted
from tests.support.serving import Service, rss_bytes

ROUNDS = 9
LOOKS = 20
PSUTIL = "import psutil; print(psutil.cpu_count(), psutil.virtual_memory().total >> 20)"
LISTING = "import psutil; print(len([each.info for each in psutil.process_iter(['pid', 'name', 'exe'])]), 'processes')"
# A debugger reads its commands, and at the end of them does not kill the program. That it refuses is an answer too.
DEBUGGER = 'printf "%s\\n" "print runtime.gomaxprocs" "print runtime.gcController.memoryLimit.value" exit n | "$@" 2>&1 || :'
PORT = 9199
#: What is started, and how far apart it is scraped in seconds: some look at each scrape, others by a clock of their own.
SERVICES: tuple[tuple[list[str], float], ...] = (
    (["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{PORT}"], 0),
    (["prometheus-process-exporter", f"-web.listen-address=127.0.0.1:{PORT}", "-procnames=goprobe,sleep,python"], 0),
    (
        [
            "cgroups-exporter",
            "--metrics-address=127.0.0.1",
            f"--metrics-port={PORT}",
            "--collector-interval=1",
            "--collector-delay=0",
            "--log-level=error",
            "--cgroups-path",
        ],
        1,
    ),
)

# What it is called, what is started, and the parts of its output that are its answer: each the first group of a pattern.
Row = tuple[str, list[str], tuple[str, ...]]


def rows_of(stripped: str, whole: str) -> list[Row]:
    """All that is asked once. The pids are of the Go program without, and with its debug information."""
    debugger = ["/bin/sh", "-c", DEBUGGER, "sh", "dlv", "attach"]
    options = ["--check-go-version=false", "--allow-non-terminal-interactive=true"]
    inspect = [*PROGRAM, "inspect", "--pid", stripped]
    return [
        ("`python -I -c pass`", [sys.executable, "-I", "-c", "pass"], ()),
        ("`nproc`", ["nproc"], (r"(\d+)",)),
        ("`node -p 'os.availableParallelism()'`", ["node", "-p", "os.availableParallelism()"], (r"(\d+)",)),
        (
            "`java -XshowSettings:system -version`",
            ["java", "-XshowSettings:system", "-version"],
            (r"Effective CPU Count: (\d+)", r"Memory Limit: (\S+)"),
        ),
        ("psutil: CPUs, MiB of memory", [sys.executable, "-I", "-c", PSUTIL], (r"(\d+)", r" (\d+)")),
        ("psutil: name and executable of every process", [sys.executable, "-I", "-c", LISTING], (r"(.*)",)),
        ("`systemd-cgtop -b -n 1`", ["systemd-cgtop", "-b", "-n", "1"], ()),
        ("`dlv attach`: two variables", [*debugger, whole, *options], (r"(?m)^(?:\(dlv\) )*(\d+)$", r"(\d{10,})")),
        ("the same of a stripped program", [*debugger, stripped, *options], (r"(could not open debug info|no debug information present)",)),
        (
            "`cgtune inspect --pid PID` of a stripped program",
            inspect,
            (r"CPU +(\S+ CPUs)", r"memory +(\d+ MiB)", r"(GOMAXPROCS now \S+)", r"(GOMEMLIMIT now \S+)"),
        ),
        ("`cgtune check --pid PID` of the same", [*PROGRAM, "check", "--pid", stripped, "--fail-on", "critical"], ()),
        ("`cgtune ps` of both", [*PROGRAM, "ps"], (r"(1\.5) +512 MiB", r"(512 MiB)")),
    ]


def main() -> int:
    """Measure and print."""
    code = enter_container("sw", "plain")
    if code is not None:
        return code
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with target(0) as stripped, target(1) as whole:
        _compare(rows_of(str(stripped), str(whole)), rounds)
        _compare_services()
    return 0


def _compare(rows: list[Row], rounds: int) -> None:
    here = [row for row in rows if shutil.which(_program(row))]
    spent: dict[str, list[float]] = {name: [] for name, _, _ in here}
    for _ in range(rounds):
        for name, argv, _ in here:
            spent[name].append(spend_ms([shutil.which(argv[0]) or argv[0], *argv[1:]], uncounted()))
    bare = statistics.median(spent[rows[0][0]])
    print("| asked once | says | CPU ms | times bare Python |")
    print("|---|---|---|---|")
    for name, argv, patterns in rows:
        if name not in spent:
            print(f"| {name} | not here | | |")
            continue
        median = statistics.median(spent[name])
        print(f"| {name} | {_answer(argv, patterns)} | {median:.0f} | {median / bare:.1f} |")


def _program(row: Row) -> str:
    _, argv, _ = row
    return argv[4] if argv[2:3] == [DEBUGGER] else argv[0]


def _answer(argv: list[str], patterns: tuple[str, ...]) -> str:
    """Those parts of the output that the patterns name."""
    done = subprocess.run(argv, capture_output=True, text=True, env=uncounted(), stdin=subprocess.DEVNULL, check=False)
    if not done.stdout + done.stderr:
        return f"exit code {done.returncode}"
    found = [re.search(pattern, done.stdout + done.stderr) for pattern in patterns]
    return ", ".join(match[1] for match in found if match) or "-"


def _compare_services() -> None:
    print("\n| asked again and again | CPU ms each time | MiB resident |")
    print("|---|---|---|")
    for words, seconds in SERVICES:
        name = f"`{words[0]}`, {'a look and ' * bool(seconds)}a scrape"
        if shutil.which(words[0]) is None:
            print(f"| {name} | not here | |")
            continue
        silent = subprocess.DEVNULL
        argv = [*words, *_own_cgroups()] if words[-1] == "--cgroups-path" else words
        with subprocess.Popen(argv, stdin=silent, stdout=silent, stderr=silent) as service:
            try:
                time.sleep(5)
                _print_each(name, service.pid, f"http://127.0.0.1:{PORT}/metrics", seconds)
            finally:
                service.kill()
    with Service("--interval", "1s") as service:
        service.wait_for_report(seconds=60)
        _print_each("`cgtune serve`, a look and a scrape", service.pid, f"http://{service.address}/metrics", 1)
        service.stop()


def _own_cgroups() -> list[str]:
    """The folders of this process's cgroup, in each hierarchy that has one."""
    own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    top = Path("/sys/fs/cgroup")
    places = [(top / (controllers.removeprefix("name=") or ".")) / path.lstrip("/") for _, controllers, path in own if path != "/"]
    return [str(place) for place in places if place.is_dir()]


def _print_each(name: str, pid: int, url: str, seconds: float) -> None:
    """Scrape it, ``seconds`` apart, and print what that took of its CPU time."""
    before = cpu_seconds(pid)
    for _ in range(LOOKS):
        time.sleep(seconds)
        with urllib.request.urlopen(url, timeout=30) as answer:
            answer.read()
    print(f"| {name} | {1000 * (cpu_seconds(pid) - before) / LOOKS:.0f} | {rss_bytes(pid) / 2**20:.0f} |")


if __name__ == "__main__":
    sys.exit(main())
