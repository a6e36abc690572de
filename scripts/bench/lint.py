"""CPU time and memory of ``cgtune lint`` on what a large cluster renders, in one file and in a folder, and on one small file.

Beside it PyYAML's safe loader by libyaml reads the same bytes: the fastest reader of YAML for Python that knows positions. (ruamel.yaml
0.19, by the same libyaml, takes twice as long.) The mix is that of a repository of a cluster: of ten documents three are workloads of 8
KiB, two ConfigMaps with a dashboard, two descriptions of resources, three small ones; 30 KiB a document.
CPU time and the largest resident memory are taken from wait4(2) for exactly that one process; what this one holds when it starts it counts
too, so it holds little.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.command import PROGRAM, environment

DOCUMENTS = 2000
MOST_RATIO, MOST_MIB, MOST_BARE = 1.5, 150, 7.0
LOAD = "import sys, yaml\nfor _ in yaml.load_all(open(sys.argv[1], 'rb'), Loader=yaml.CSafeLoader): pass"

WORKLOAD = """---
# Source: shop/templates/{n}.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-{n}
  namespace: shop
spec:
  selector:
    matchLabels: {{app: web-{n}}}
  template:
    metadata:
      labels:
        app: web-{n}
    spec:
      containers:
"""
CONTAINER = """      - name: {name}
        image: registry.example/{name}:1.{n}
        env:
{env}        ports:
        - containerPort: 8080
          name: http
        readinessProbe:
          httpGet: {{path: /ready, port: http}}
          periodSeconds: 10
        resources:
          limits:
            cpu: 1500m
            memory: 512Mi
          requests:
            cpu: 100m
            memory: 256Mi
"""
GO = "        - name: GOMEMLIMIT\n          valueFrom:\n            resourceFieldRef:\n              resource: limits.memory\n"
SETTING = '        - name: SETTING_{number}\n          value: "what setting {number} says to {name}"\n'
SMALL = "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: web-{n}\nspec:\n  ports:\n  - port: 80\n  selector:\n    app: web-{n}\n"
CONFIG = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: board-{n}\ndata:\n  LEVEL: info\n  board.json: |\n"
PANEL = '    {"targets": [{"expr": "sum(rate(requests_total[5m])) by (code)", "refId": "A"}], "title": "Requests"},\n'
RESOURCE = """---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: things-{n}.example.org
spec:
  versions:
  - name: v1
    schema:
      openAPIV3Schema:
        type: object
        properties:
"""
PROPERTY = """          field{number}:
            description: What the field is for, and that its containers may leave it out.
            type: object
            properties:
              value: {{type: string, maxLength: 253}}
"""


def workload(n: int) -> str:
    """Three containers, of which one says that it is Go."""
    text = WORKLOAD.format(n=n)
    for name in ("api", "proxy", "log"):
        env = GO * (name == "api") + "".join(SETTING.format(number=number, name=name) for number in range(25))
        text += CONTAINER.format(name=name, n=n, env=env)
    return text


def documents(count: int) -> Iterator[str]:
    """The mix, in its order."""
    config, resource = CONFIG + PANEL * 600, RESOURCE + "".join(PROPERTY.format(number=number) for number in range(300))
    for n in range(count):
        turn = n % 10
        if turn in (1, 4):
            yield config.replace("{n}", str(n))
        elif turn in (2, 7):
            yield resource.replace("{n}", str(n))
        else:
            yield workload(n) if turn in (0, 3, 8) else SMALL.format(n=n)


def spend(argv: list[str]) -> tuple[float, float]:
    """Returns (CPU seconds, largest resident MiB) of one run, which may have found something."""
    silent = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
    pid = os.posix_spawn(argv[0], argv, environment(), file_actions=silent)
    _, status, usage = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit(f"lint: {' '.join(argv)} ended with exit code {os.waitstatus_to_exitcode(status)}: run it to see why")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> int:
    """Measure, print, and return 1 where a target is missed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else DOCUMENTS
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)  # where no config is found: that of this project is larger than most
        folder = Path(scratch, "folder")
        folder.mkdir()
        with Path(scratch, "all.yaml").open("w") as whole:
            for n, text in enumerate(documents(count)):
                whole.write(text)
                Path(folder, f"{n}.yaml").write_text(text)
        Path(scratch, "small.yaml").write_text(workload(0))
        size_mib = Path(scratch, "all.yaml").stat().st_size / (1 << 20)
        lint = [*PROGRAM, "lint", "--format", "text"]
        spend([*lint, f"{scratch}/small.yaml"])  # byte code is written
        load_s, _ = spend([sys.executable, "-I", "-c", LOAD, f"{scratch}/all.yaml"])
        print(f"{count} documents, {size_mib:.0f} MiB; PyYAML {load_s:.1f} s of CPU; {sys.executable} {sys.version.split()[0]}")
        missed = False
        for name, path in (("in one file", f"{scratch}/all.yaml"), ("in a folder", str(folder))):
            cpu_s, rss_mib = spend([*lint, path])
            is_over = cpu_s > MOST_RATIO * load_s or rss_mib > MOST_MIB
            missed |= is_over
            verdict = "OVER" if is_over else "ok"
            print(f"{cpu_s:6.1f} s {cpu_s / load_s:5.2f} of {MOST_RATIO}  {rss_mib:5.0f} of {MOST_MIB} MiB  {verdict:4}  {name}")
        bare_s = min(spend([sys.executable, "-I", "-c", "pass"])[0] for _ in range(9))
        small_s = min(spend([*lint, f"{scratch}/small.yaml"])[0] for _ in range(9))
        is_over = small_s > MOST_BARE * bare_s
        print(f"{small_s:6.3f} s {small_s / bare_s:5.2f} of {MOST_BARE} bare starts  {'OVER' if is_over else 'ok':4}  one file")
    return int(missed or is_over)


if __name__ == "__main__":
    sys.exit(main())
