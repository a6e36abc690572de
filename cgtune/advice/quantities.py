"""The quantities that people type: CPUs and bytes as Kubernetes writes them, a quota over a period as the kernel does, durations. Pure.

Strict on purpose: what Kubernetes, Docker and Go read differently (``512m``, ``512mb``, ``512MiB``) is refused instead of guessed.
Not covered: fractions of a thousandth of a CPU.
"""

from __future__ import annotations

from cgtune.errors import UsageError
from cgtune.model import Bandwidth

#: The period that Docker, the kubelet and the kernel itself use unless told otherwise.
USUAL_PERIOD_US = 100_000

# kernel/sched: a period lies between 1 ms and 1 s, a quota between 1 ms and 2**44 - 1 µs; any other is refused with EINVAL.
_LEAST_US, _MOST_PERIOD_US, _MOST_QUOTA_US = 1000, 1_000_000, (1 << 44) - 1

_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50, "Ei": 1 << 60}
_UNITS |= {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
_DURATIONS = (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0))
_MOST_BYTES = (1 << 63) - 1
_MOST_CORES = 1_000_000
_MOST_DIGITS = 20
_MOST_EXPONENT_DIGITS = 2
_DIGITS = frozenset("0123456789")


def parse_cpu_quantity(text: str, option: str) -> float:
    """CPUs: ``2.5``, ``25e-1``, or in thousandths ``2500m``; 0 is one. Raises UsageError, which names ``option`` and gives an example."""
    number = _parse_decimal(text.removesuffix("m")) or _parse_exponential(text)
    if number is None or (text.endswith("m") and number[1] != 1) or number[0] > _MOST_CORES * number[1]:
        raise UsageError(f"{option} {_shown(text)} is no number of CPUs; examples: {option} 2.5, {option} 2500m")
    return number[0] / (number[1] * (1000 if text.endswith("m") else 1))


def parse_cpu_limit(text: str, option: str) -> Bandwidth:
    """A CPU limit as the kernel keeps it: from CPUs, over the usual period of 100 ms; or as cpu.max has it, ``250000 100000`` or ``max``.

    Raises UsageError for what is no quantity, and for a quota or period that no kernel takes.
    """
    words = text.split(" ")
    if words[0] == "max" and len(words) == 1:
        return Bandwidth(quota_us=None, period_us=USUAL_PERIOD_US)
    if len(words) == 1:
        return _checked(round(parse_cpu_quantity(text, option) * USUAL_PERIOD_US), USUAL_PERIOD_US, text, option)
    numbers = [int(word) if 0 < len(word) <= _MOST_DIGITS and _DIGITS.issuperset(word) else None for word in words]
    if len(words) != 2 or numbers[1] is None or (numbers[0] is None and words[0] != "max"):
        examples = f'examples: {option} 2.5, {option} 2500m, {option} "250000 100000"'
        raise UsageError(f"{option} {_shown(text)} is neither a number of CPUs nor a quota and a period in µs; {examples}")
    return _checked(numbers[0], numbers[1], text, option)


def parse_byte_quantity(text: str, option: str, *, least: int = 0) -> int:
    """Bytes, plain, as ``129e6``, or with a unit of Kubernetes: Ki Mi Gi Ti Pi Ei (powers of 1024), k M G T P E (of 1000).

    With a unit a part of a byte counts whole. Raises UsageError, which names ``option`` and gives an example, also for less than ``least``.
    """
    unit = text.lstrip("0123456789.")
    number = _parse_decimal(text.removesuffix(unit)) if unit in _UNITS else _parse_decimal(text) or _parse_exponential(text)
    if number is None or (unit not in _UNITS and number[0] % number[1]):
        raise UsageError(f"{option} {_shown(text)} is no number of bytes; examples: {option} 512Mi, {option} 1.5Gi, {option} 536870912")
    count = -(-number[0] * _UNITS.get(unit, 1) // number[1])
    if count > _MOST_BYTES or count < least:
        bound = f"less than {least} bytes" if count < least else "more bytes than a machine can count"
        raise UsageError(f"{option} {_shown(text)} is {bound}; example: {option} 512Mi")
    return count


def parse_duration(text: str, option: str, *, least_seconds: float, most_seconds: float) -> float:
    """Seconds of ``500ms``, ``15s``, ``1.5m`` or ``1h``; a number needs its unit.

    Raises UsageError, which names ``option`` and gives an example, also outside of ``least_seconds`` to ``most_seconds``.
    """
    unit, factor = next(((unit, factor) for unit, factor in _DURATIONS if text.endswith(unit)), ("", 0.0))
    number = _parse_decimal(text.removesuffix(unit)) if unit else None
    if number is None:
        raise UsageError(f"{option} {_shown(text)} is no duration with a unit; examples: {option} 15s, {option} 500ms, {option} 1m")
    seconds = number[0] / number[1] * factor
    if not least_seconds <= seconds <= most_seconds:
        bounds = f"{least_seconds:g} to {most_seconds:g} seconds"
        raise UsageError(f"{option} {_shown(text)} is outside of {bounds}; example: {option} 15s")
    return seconds


def _checked(quota_us: int | None, period_us: int, text: str, option: str) -> Bandwidth:
    if not _LEAST_US <= period_us <= _MOST_PERIOD_US:
        why = f"has a period outside of {_LEAST_US} to {_MOST_PERIOD_US} µs, which the kernel refuses"
        raise UsageError(f'{option} {_shown(text)} {why}; example: {option} "250000 100000"')
    if quota_us is not None and not _LEAST_US <= quota_us <= _MOST_QUOTA_US:
        why = f"is a quota of {quota_us} µs; the kernel takes {_LEAST_US} to {_MOST_QUOTA_US}"
        raise UsageError(f"{option} {_shown(text)} {why}; examples: {option} 10m (the least, with the usual period), {option} 2.5")
    return Bandwidth(quota_us=quota_us, period_us=period_us)


def _parse_decimal(text: str) -> tuple[int, int] | None:
    """The number exactly, as numerator and a power of ten; None for anything but plain digits with at most one point."""
    whole, point, part = text.partition(".")
    digits = whole + part
    if not digits or len(digits) > _MOST_DIGITS or not _DIGITS.issuperset(digits) or (point and not part):
        return None
    return int(digits), int(f"1{'0' * len(part)}")


def _parse_exponential(text: str) -> tuple[int, int] | None:
    """As _parse_decimal, with an exponent of ten as Kubernetes takes it (apimachinery, resource.Quantity): ``129e6``, ``25E-1``."""
    mantissa, _, exponent = text.replace("E", "e").partition("e")
    number, digits = _parse_decimal(mantissa), exponent.removeprefix("-")
    if number is None or not 0 < len(digits) <= _MOST_EXPONENT_DIGITS or not _DIGITS.issuperset(digits):
        return None
    power = 10 ** int(digits)
    return (number[0], number[1] * power) if exponent.startswith("-") else (number[0] * power, number[1])


def _shown(text: str) -> str:
    return ascii(text[:40]) + ("..." if len(text) > 40 else "")
