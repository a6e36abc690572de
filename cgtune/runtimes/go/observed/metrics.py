"""What a Go program says of itself at its own Prometheus endpoint (client_golang's Go collector, or VictoriaMetrics' library), as text."""

from __future__ import annotations

from cgtune.model import GoFacts, Note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    Value = int | Literal["off"]

#: Metric -> setting, and the least value that stands for "off": client_golang prints the unset limit as 9.223372036854776e+18
#: (MaxInt64) and GOGC=off as 1.8446744073709552e+19 (MaxUint64).
_METRICS = {
    "go_sched_gomaxprocs_threads": ("GOMAXPROCS", None),
    "go_gomaxprocs": ("GOMAXPROCS", None),  # VictoriaMetrics' library
    "go_gc_gomemlimit_bytes": ("GOMEMLIMIT", 9.2e18),
    "go_gc_gogc_percent": ("GOGC", 1.8e19),
}


def parse_go_metrics(text: str) -> dict[str, Value]:
    """The settings that a metrics page names, by the setting's name; a line of another shape is passed over.

    A page that gives one setting several values, by their labels those of several programs, does not name it.
    """
    found: dict[str, set[Value]] = {}
    for line in text.split("\n"):
        name = line.partition(" ")[0].partition("{")[0]
        if name in _METRICS:
            setting, off = _METRICS[name]
            rest = line[len(name) :]
            try:
                number = float((rest.rpartition("}")[2] if rest.startswith("{") else rest).split()[0])
            except (ValueError, IndexError):
                continue
            if off is not None and number >= off:
                found.setdefault(setting, set()).add("off")
            elif 0 <= number < 1 << 63:
                found.setdefault(setting, set()).add(int(number))
    return {setting: values.pop() for setting, values in found.items() if len(values) == 1}


def with_metrics(facts: GoFacts, said: Mapping[str, Value], url: str) -> tuple[GoFacts, tuple[Note, ...]]:
    """Returns (facts with what the endpoint at ``url`` said, notes on it). It fills what memory did not tell; a contradiction is a note."""
    settings, notes = [], []
    for setting in facts.settings:
        value = said.get(setting.name)
        if value is None:
            why = f"the endpoint does not name one {setting.name}; client_golang's Go collector does since mid 2024"
            notes.append(Note(path=url, why=why))
        elif setting.observed is None:
            settings.append(setting.replace(observed=value, observed_from="metrics"))
            continue
        elif _number(setting.observed) != _number(value):
            notes.append(Note(path=url, why=f"the endpoint says {setting.name} {value}, the process's memory {setting.observed}"))
        settings.append(setting)
    return facts.replace(settings=tuple(settings)), tuple(notes)


def _number(value: Value) -> float:
    """A value that can be compared as the page prints it: a float, -1 for "off"."""
    return -1.0 if value == "off" else float(value)
