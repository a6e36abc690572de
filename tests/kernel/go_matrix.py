"""Every toolchain, every build, every scenario: what cgtune derives and observes against what each program prints of itself.

``scripts/go-matrix`` builds the programs and runs this in the bench; ``build`` and ``run`` are its two halves. A cell is one program in
one scenario; in each, derived and observed GOMAXPROCS, GOMEMLIMIT and GOGC, NumCPU, whether GOMAXPROCS is pinned and which limit file
is followed are compared, and no difference is tolerated.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cgtune.api import inspect_host
from cgtune.machineview import MachineView
from cgtune.outputs.json import render_json
from cgtune.process import read_process
from cgtune.runtimes.go.programs import Known
from cgtune.snapshot import read_go
from cgtune.system.host import Host
from tests.kernel.goscenarios import SCENARIOS, Scenario, Scene
from tests.kernel.gostage import Stage
from tests.live import cgroups
from tests.support import goprograms, toolchains

if TYPE_CHECKING:
    from cgtune.model import GoFacts, Note

MODES = ("plain", "sw", "pie", "pie-sw", "cgo-pie-sw")
QUICK = (("1.21.13", "pie-sw"), ("1.24.11", "plain"), ("1.25.5", "pie-sw"), ("1.26.6", "plain"), ("1.27.3", "pie-sw"))


@dataclass(frozen=True)
class Program:
    """One binary of the matrix."""

    version: str
    language: str
    mode: str
    path: Path

    @property
    def name(self) -> str:
        return f"go {self.version} {self.mode}, go line {self.language}"

    @property
    def column(self) -> int:
        """Its column in a scenario's expectations."""
        minor = toolchains.minor(self.version)
        return 0 if minor < 25 else (1 if minor == 25 else 2) + (2 if self.language == "1.25" else 0)


def build(wanted: Iterable[tuple[str, str]]) -> list[Program]:
    """The programs of these versions and modes, with each go line that the toolchain takes; built where the cache lacks them."""
    return [
        Program(version, language, mode, goprograms.build(version, mode, language=language))
        for version, mode in wanted
        for language in (("1.21", "1.25") if toolchains.minor(version) >= 25 else ("1.21",))
    ]


def build_quick() -> list[Program]:
    """The share that scripts/test --kernel runs."""
    return build(QUICK)


class Matrix:
    """Scenarios over programs. What is known of the executables is kept from one scenario to the next, as cgtune serve does."""

    def __init__(self, programs: Sequence[Program]) -> None:
        self.programs = programs
        self.cells = 0
        self.comparisons = 0
        self.notes: dict[str, int] = {}
        self._known = Known()

    def run(self, scenario: Scenario) -> list[str]:
        """Every difference in this scenario, in words."""
        differences: list[str] = []
        with cgroups.own_groups() as groups:
            scene = Scene(groups)
            scenario.arrange(scene)
            stage = self._start(scenario, scene, held=scenario.held)
            try:
                differences += self._run_stage(scenario, scene, stage)
            finally:
                stage.end()
        self.cells += len(self.programs)
        return differences

    def _start(self, scenario: Scenario, scene: Scene, *, held: bool = False) -> Stage:
        paths = [program.path for program in self.programs]
        return Stage(paths, commands=scenario.commands, environment=scenario.environment, steps=scene.steps, held=held)

    def _run_stage(self, scenario: Scenario, scene: Scene, stage: Stage) -> list[str]:
        differences: list[str] = []
        early = self._inspect(stage.pids) if scenario.held else {}
        if scenario.held:
            stage.release()
        stage.wait_reports(max(len(scenario.commands), 1))
        differences += self._check_starts(scenario, stage)
        differences += self._compare_deaths(scenario, stage, early)
        fresh: list[int | None] = []
        if scenario.change is not None:
            scenario.change(scene, stage)
        if scenario.change is not None or scenario.now is not None:
            stage.settle([self._column(scenario.now or scenario.starts, program) for program in self.programs])
        if scenario.derived_like == "fresh":
            second = Stage(
                [program.path for program in self.programs], environment=scenario.environment, steps=[*scene.steps, *scene.afresh]
            )
            second.wait_reports(1)
            fresh = [second.said[pid][0]["gomaxprocs"] for pid in second.pids]
            second.end()
        living = self._inspect([pid for pid in stage.pids if pid not in stage.ended])
        for number, (program, pid) in enumerate(zip(self.programs, stage.pids, strict=True)):
            if pid in living:
                said = stage.said[pid]
                derived = {"now": said[-1], "start": said[0], "fresh": said[0] | {"gomaxprocs": fresh[number] if fresh else None}}
                found = self._compare(scenario, program, derived[scenario.derived_like], said[-1], living[pid])
                differences += [f"{scenario.name}: {program.name}: {line}" for line in found]
        return differences

    def _column(self, columns: str, program: Program) -> int | None:
        word = columns.split()[program.column]
        return None if word == "x" else int(word)

    def _dies(self, scenario: Scenario, program: Program) -> bool:
        return self._column(scenario.starts, program) is None or (scenario.dies_in_newest and toolchains.minor(program.version) >= 27)

    def _check_starts(self, scenario: Scenario, stage: Stage) -> list[str]:
        """The scenario is what its name says: each program printed what is written down for its kind."""
        wrong = []
        for program, pid in zip(self.programs, stage.pids, strict=True):
            expected = None if self._dies(scenario, program) else self._column(scenario.starts, program)
            said = stage.said[pid][0]["gomaxprocs"] if pid in stage.said else None
            if said != expected or (pid in stage.ended) != (expected is None):
                wrong.append(f"{scenario.name}: {program.name}: the program itself says {said}, not {expected}")
        return wrong

    def _compare_deaths(self, scenario: Scenario, stage: Stage, early: dict[int, GoFacts]) -> list[str]:
        """What cgtune said of each program before its first instruction, against its end or its life."""
        found = []
        for program, pid in zip(self.programs, stage.pids, strict=True):
            if pid not in early:
                continue
            facts = early[pid]
            values = {setting.name: (setting.derived, setting.observed) for setting in facts.settings}
            printed = stage.errors(pid)
            if any(observed is not None for _, observed in values.values()):
                found.append(f"{program.name}: a value was observed before there was one: {values}")
            if pid not in stage.ended:
                said = stage.said[pid][0]
                expected = {"GOMAXPROCS": said["gomaxprocs"], "GOMEMLIMIT": said["memory_limit"], "GOGC": said["gc_percent"]}
                if facts.derived.dies is not None or {name: derived for name, (derived, _) in values.items()} != expected:
                    found.append(f"{program.name}: lives as {expected}, and cgtune derived {values}, dies: {facts.derived.dies!r}")
            elif (
                stage.ended[pid] != 2
                or not facts.derived.dies
                or facts.derived.dies not in printed
                or any(derived is not None for derived, _ in values.values())
            ):
                found.append(
                    f"{program.name}: status {stage.ended[pid]}, printed {printed[:200]!r}; cgtune derived {values},"
                    f" dies: {facts.derived.dies!r}"
                )
            self.comparisons += 7
        return [f"{scenario.name}: before the start: {line}" for line in found]

    def _inspect(self, pids: Sequence[int]) -> dict[int, GoFacts]:
        """The Go facts of each, as cgtune's report is made of them; of the first, the printed report says the same."""
        inspected = {}
        with Host("/") as host:
            view = MachineView(host)
            view._known = self._known
            for pid in pids:
                notes: list[Note] = []
                inspected[pid] = read_go(view, read_process(view, pid, notes), notes)[0]
                host.forget(f"/proc/{pid}")
                for note in notes:
                    self.notes[note.why] = self.notes.get(note.why, 0) + 1
            if pids:
                self._check_report(json.loads(render_json(inspect_host(host, pids[:1]))), inspected[pids[0]])
        return inspected

    def _check_report(self, report: dict[str, Any], facts: GoFacts) -> None:
        (entry,) = report["processes"]
        for setting in facts.settings:
            printed = entry["settings"][setting.name]
            assert (printed["derived"], printed["observed"], printed["because"]) == (
                setting.derived,
                setting.observed,
                list(setting.because),
            )

    def _compare(self, scenario: Scenario, program: Program, derived: dict[str, Any], said: dict[str, Any], facts: GoFacts) -> list[str]:
        expected: dict[str, object] = {"version": program.version, "num_cpu": said["num_cpu"], "dies": None, "observed_from": "memory"}
        found: dict[str, object] = {
            "version": facts.program.version,
            "num_cpu": facts.observed.cpus_at_start,
            "dies": facts.derived.dies,
            "observed_from": " ".join({setting.observed_from or "nowhere" for setting in facts.settings}),
        }
        for name, key in (("GOMAXPROCS", "gomaxprocs"), ("GOMEMLIMIT", "memory_limit"), ("GOGC", "gc_percent")):
            expected |= {f"{name} derived": derived[key], f"{name} observed": said[key]}
            setting = next(setting for setting in facts.settings if setting.name == name)
            found |= {f"{name} derived": setting.derived, f"{name} observed": setting.observed}
        if program.column:
            expected["pinned"] = scenario.pins.split()[program.column] == "y"
            found["pinned"] = facts.observed.pinned
        if program.column > 2 and scenario.follows != "any":
            words = scenario.follows.split()
            expected["follows"] = words[0] if program.column == 3 else words[-1]
            found["follows"] = _follows(facts)
        self.comparisons += len(expected)
        return [f"{name} {found[name]!r}, not {value!r}" for name, value in expected.items() if found[name] != value]


def _follows(facts: GoFacts) -> str:
    if facts.observed.follows is None:
        return "none"
    return "own" if facts.observed.follows.own else "other" if facts.observed.follows.exists else "gone"


def copy_near(programs: Iterable[Program]) -> list[Program]:
    """The same programs on the guest's own tmpfs: started thousands of times, each start from the shared folder takes twice as long."""
    place = Path("/run/go-matrix")
    place.mkdir(exist_ok=True)
    return [replace(program, path=Path(shutil.copy(program.path, place))) for program in programs]


def main(mode: str, programs: Sequence[Program], only: str = "") -> int:
    """Run all scenarios of this hierarchy; prints each with its time, the differences, and the counts at the end."""
    matrix = Matrix(copy_near(programs))
    scenarios = [scenario for scenario in SCENARIOS if mode in scenario.modes and only in scenario.name]
    differences: list[str] = []
    began = time.monotonic()
    for scenario in scenarios:
        at = time.monotonic()
        try:
            found = matrix.run(scenario)
        except AssertionError as error:
            found = [f"{scenario.name}: {error}"]
        differences += found
        print(f"{mode}: {scenario.name}: {'as the programs say' if not found else 'DIFFERENT'}, {time.monotonic() - at:.1f} s", flush=True)
        for line in found:
            print(f"  {line}", flush=True)
    for why, count in sorted(matrix.notes.items(), key=lambda row: -row[1])[:40]:
        print(f"note, {count} times: {why}")
    print(
        f"{mode}: {matrix.cells} cells: {len(scenarios)} scenarios x {len(programs)} programs, {matrix.comparisons} comparisons, "
        f"{len(differences)} differences, {time.monotonic() - began:.0f} s"
    )
    return 1 if differences else 0


if __name__ == "__main__":
    share, where, *rest = sys.argv[1:]
    chosen = build_quick() if share == "quick" else build((version, mode) for version in toolchains.VERSIONS for mode in MODES)
    sys.exit(0 if where == "build" else main(where, chosen, *rest))
