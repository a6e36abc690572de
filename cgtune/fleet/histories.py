"""The questions about what was used over the window: quantiles of it, since when and how often it was seen. Pure.

Those of quantiles are functions of the one that is asked for: a number, what varies (see pairs), or None, the highest.
"""

from __future__ import annotations

from cgtune.fleet import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from cgtune.fleet.asked import Asking

    #: Writes the parts of a question: given who asks, which series are there, and which of the recorded ones reach back.
    Build = Callable[[Asking, frozenset[str], frozenset[str]], list[str]]

GROUP = "cluster,namespace,pod,container"
APP = 'container!="",container!="POD"'  # not the pod's own cgroup, nor the container that holds its network
MEDIAN = "0.5"


def restarts(quantile: str | None) -> Build:
    """From the least to the most: differences rather than increase(), of which engines have several."""

    def build(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
        name, kept = names.STATES[0], names.RECORDED_RESTARTS
        if name not in present:
            return []
        return [_quantile(quantile, ask.over(ask.selector(kept if kept in recorded else name), ask.steps.state))]

    return build


def history(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
    """Since when use was seen, and at how many points."""
    there = [name for name in names.MEMORY if name in present] or [name for name in names.CPU if name in present]
    if names.RECORDED_MEMORY in recorded:
        there = [names.RECORDED_MEMORY]
    if not there:
        return []
    points, ages = [], []
    for used in (ask.selector(name, *(() if name in names.RECORDED else (APP,))) for name in there):
        points.append(most(f"count_over_time({ask.over(used, ask.steps.quantile)})"))
        # When there was a sample. Not timestamp(): Prometheus 2.42 takes twenty times as long for it in a subquery
        ages.append(f"min by ({GROUP}) (min_over_time({ask.over(f'clamp({used},time(),time())', ask.steps.state)}))")
    return [named("points", " or ".join(points)), named("age", f"time() - ({' or '.join(ages)})")]


def named(of: str, expression: str) -> str:
    """With a label that says what it tells, or which series it comes from."""
    return f'label_replace({expression},"of","{of}","","")'


def most(expression: str) -> str:
    """One figure for a container, of all its series."""
    return f"max by ({GROUP}) ({expression})"


def _quantile(quantile: str | None, inner: str) -> str:
    return most(f"max_over_time({inner})" if quantile is None else f"quantile_over_time({quantile},{inner})")


def _kept(name: str, quantile: str | None, ask: Asking) -> list[str]:
    """Of a recorded series: in the steps of quantiles it costs a third of what its samples would."""
    series = ask.selector(name)
    return [named(name, _quantile(quantile, f"{series}[{ask.window}]" if quantile is None else ask.over(series, ask.steps.quantile)))]


def cpu(quantile: str | None) -> Build:
    """In cores, as the mean of each step."""

    def build(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
        if names.RECORDED_CPU in recorded:
            return _kept(names.RECORDED_CPU, quantile, ask)
        step = ask.steps.peak if quantile is None else ask.steps.quantile
        return [named(name, _quantile(quantile, ask.over(_rate(ask, name, APP), step))) for name in names.CPU if name in present]

    return build


def _rate(ask: Asking, name: str, *matchers: str) -> str:
    """Over as long as peaks are apart, so that nothing lies between two of them."""
    return f"rate({ask.selector(name, *matchers)}[{ask.steps.peak}s])"


def memory(quantile: str | None) -> Build:
    """In bytes."""

    def build(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
        if names.RECORDED_MEMORY in recorded:
            return _kept(names.RECORDED_MEMORY, quantile, ask)
        there = [name for name in names.MEMORY if name in present]
        if quantile is None:  # the highest of all samples between two steps, so that no peak is missed that was seen
            step = ask.steps.peak
            return [named(name, _quantile(None, ask.over(f"max_over_time({ask.selector(name, APP)}[{step}s])", step))) for name in there]
        return [named(name, _quantile(quantile, ask.over(ask.selector(name, APP), ask.steps.quantile))) for name in there]

    return build


def recent(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
    """Medians of the last day, which tell growth."""
    if ask.of_last_day is None:
        return []
    return [*cpu(MEDIAN)(ask.of_last_day, present, recorded), *memory(MEDIAN)(ask.of_last_day, present, recorded)]


def _ratio(part: str, whole: str, ask: Asking, *matchers: str) -> str:
    """The increase of one counter by that of another."""
    return f"{_rate(ask, part, *matchers)} / ({_rate(ask, whole, *matchers)} > 0)"


def throttled(quantile: str | None) -> Build:
    """The share of periods in which it was stopped."""

    def build(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
        if names.RECORDED_THROTTLED in recorded:
            return _kept(names.RECORDED_THROTTLED, quantile, ask)
        return [
            named(part, _quantile(quantile, ask.over(_ratio(part, whole, ask, APP), ask.steps.quantile)))
            for part, whole in zip(names.THROTTLED, names.PERIODS, strict=True)
            if {part, whole} <= present
        ]

    return build


def live_heap(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
    """The highest, in bytes."""
    is_kept = names.RECORDED_HEAP in recorded
    there = [name for name in names.LIVE_HEAP if name in present and not (is_kept and name == names.RECORDED[names.RECORDED_HEAP])]
    kept = _kept(names.RECORDED_HEAP, None, ask) if is_kept else []
    return [*(named(name, _quantile(None, ask.over(ask.selector(name), ask.steps.quantile))) for name in there), *kept]


def gc_share(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
    """The collector's share of the CPU time that GOMAXPROCS allows."""
    is_kept = names.RECORDED_GC in recorded
    shares = [
        named(part, _quantile("0.95", ask.over(_ratio(part, whole, ask), ask.steps.quantile)))
        for part, whole in zip(names.GC_SECONDS, names.GO_SECONDS, strict=True)
        if {part, whole} <= present and not (is_kept and part == names.RECORDED[names.RECORDED_GC])
    ]
    return [*shares, *(_kept(names.RECORDED_GC, "0.95", ask) if is_kept else [])]


def over_time(ask: Asking, present: frozenset[str], recorded: frozenset[str]) -> list[str]:
    """A subquery alone, which both Prometheus and VictoriaMetrics answer with its points: of CPU the mean, of memory the most in a step."""
    if not ask.over_time:
        return []
    step = ask.steps.drawn
    cpu, memory = ((name,) if name in recorded else () for name in (names.RECORDED_CPU, names.RECORDED_MEMORY))
    parts = [named(name, most(f"avg_over_time({ask.selector(name)}[{step}s])")) for name in cpu]
    parts += [named(name, most(f"max_over_time({ask.selector(name)}[{step}s])")) for name in memory]
    parts += [named(name, most(f"rate({ask.selector(name, APP)}[{step}s])")) for name in names.CPU if not cpu and name in present]
    for name in names.MEMORY:
        if not memory and name in present:
            parts.append(named(name, most(f"max_over_time({ask.selector(name, APP)}[{step}s])")))
    return [ask.over(" or ".join(parts), step)] if parts else []
