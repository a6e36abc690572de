"""The quantities that people type: CPUs and bytes as Kubernetes takes them, a quota over a period as the kernel does, durations. Pure.

A quantity is read by the rules of Kubernetes (k8s.io/apimachinery, pkg/api/resource/quantity.go): digits with at most one point, then one
suffix: Ki to Ei (powers of 1024), n u m k M G T P E (of 1000), or ``e`` and a power of ten, each sign optional. What is smaller than its
unit counts whole: a thousandth of a CPU, a byte. What only Docker or Go would read (``512mb``, ``512MiB``) is refused instead of guessed,
and so is a quantity that Kubernetes takes and nobody can mean: ``512m`` of memory is half a byte.
"""

from __future__ import annotations

from cgtune.errors import UsageError
from cgtune.model import Bandwidth

#: The period that Docker, the kubelet and the kernel itself use unless told otherwise.
USUAL_PERIOD_US = 100_000

# kernel/sched: a period lies between 1 ms and 1 s, a quota between 1 ms and 2**44 - 1 µs; any other is refused with EINVAL.
_LEAST_US, _MOST_PERIOD_US, _MOST_QUOTA_US = 1000, 1_000_000, (1 << 44) - 1

_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}  # powers of 2
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}  # powers of 10
_DURATIONS = (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0))
_MOST_BYTES = (1 << 63) - 1
_LEAST_MILLI_BYTES = 1 << 20  # Kubernetes itself prints m for computed memory (128974848000m); what is below is a slip for Mi
_MOST_CORES = 1_000_000
_MOST_DIGITS = 60
_MOST_EXPONENT = 99
_DIGITS = frozenset("0123456789")


def parse_cpu_quantity(text: str, option: str) -> float:
    """CPUs, to the next thousandth: ``2.5``, ``2500m``, ``25e-1``; 0 is one.

    Raises UsageError, which names ``option`` and gives an example.
    """
    number = parse_quantity(text)
    if number is None or number[0] < 0 or number[0] > _MOST_CORES * number[1]:
        raise UsageError(f"{option} {_shown(text)} is no number of CPUs; examples: {option} 2.5, {option} 2500m")
    return -(-number[0] * 1000 // number[1]) / 1000


def parse_cpu_limit(text: str, option: str) -> Bandwidth:
    """A CPU limit as the kernel keeps it: from CPUs, over the usual period of 100 ms; or as cpu.max has it, ``250000 100000`` or ``max``.

    Less than 10m becomes 10m, as the kubelet has it. Raises UsageError for what is no quantity, and for a quota or period that no kernel
    takes.
    """
    words = text.split(" ")
    if words[0] == "max" and len(words) == 1:
        return Bandwidth(quota_us=None, period_us=USUAL_PERIOD_US)
    if len(words) == 1:
        quota_us = round(parse_cpu_quantity(text, option) * USUAL_PERIOD_US)
        # 1m to 9m: the kubelet writes the least quota that the kernel takes (seen with Kubernetes 1.36)
        return _checked(max(quota_us, _LEAST_US) if quota_us else 0, USUAL_PERIOD_US, text, option)
    numbers = [int(word) if 0 < len(word) <= _MOST_DIGITS and _DIGITS.issuperset(word) else None for word in words]
    if len(words) != 2 or numbers[1] is None or (numbers[0] is None and words[0] != "max"):
        examples = f'examples: {option} 2.5, {option} 2500m, {option} "250000 100000"'
        raise UsageError(f"{option} {_shown(text)} is neither a number of CPUs nor a quota and a period in µs; {examples}")
    return _checked(numbers[0], numbers[1], text, option)


def parse_byte_quantity(text: str, option: str, *, least: int = 0) -> int:
    """Bytes, to the next whole one: plain, ``512Mi``, ``500M``, ``1.5e9``. More than 2^63 - 1 becomes that, as in Kubernetes.

    Raises UsageError, which names ``option`` and gives an example, also for less than ``least``.
    """
    number = parse_quantity(text)
    if number is None or number[0] < 0:
        raise UsageError(f"{option} {_shown(text)} is no number of bytes; examples: {option} 512Mi, {option} 1.5Gi, {option} 536870912")
    count = min(-(-number[0] // number[1]), _MOST_BYTES)
    if text.endswith("m") and count < max(least, _LEAST_MILLI_BYTES):
        raise UsageError(f"{option} {_shown(text)} is {count} bytes to Kubernetes, for m is a thousandth; write {text[:-1][:40]}Mi")
    if count < least:
        raise UsageError(f"{option} {_shown(text)} is less than {least} bytes; example: {option} 512Mi")
    return count


def parse_duration(
    text: str, option: str, *, least_seconds: float, most_seconds: float, examples: tuple[str, ...] = ("15s", "500ms", "1m")
) -> float:
    """Seconds of ``500ms``, ``15s``, ``1.5m``, ``1h`` or ``7d``; a number needs its unit.

    Raises UsageError, which names ``option`` and gives an example, also outside of ``least_seconds`` to ``most_seconds``.
    """
    unit, factor = next(((unit, factor) for unit, factor in _DURATIONS if text.endswith(unit)), ("", 0.0))
    number = _parse_decimal(text.removesuffix(unit)) if unit else None
    if number is None:
        shown = ", ".join(f"{option} {example}" for example in examples)
        raise UsageError(f"{option} {_shown(text)} is no duration with a unit; examples: {shown}")
    seconds = number[0] / number[1] * factor
    if not least_seconds <= seconds <= most_seconds:
        bounds = f"{least_seconds:g} to {most_seconds:g} seconds"
        raise UsageError(f"{option} {_shown(text)} is outside of {bounds}; example: {option} {examples[0]}")
    return seconds


def _checked(quota_us: int | None, period_us: int, text: str, option: str) -> Bandwidth:
    if not _LEAST_US <= period_us <= _MOST_PERIOD_US:
        why = f"has a period outside of {_LEAST_US} to {_MOST_PERIOD_US} µs, which the kernel refuses"
        raise UsageError(f'{option} {_shown(text)} {why}; example: {option} "250000 100000"')
    if quota_us is not None and not _LEAST_US <= quota_us <= _MOST_QUOTA_US:
        why = f"is a quota of {quota_us} µs; the kernel takes {_LEAST_US} to {_MOST_QUOTA_US}"
        raise UsageError(f"{option} {_shown(text)} {why}; examples: {option} 10m (the least, with the usual period), {option} 2.5")
    return Bandwidth(quota_us=quota_us, period_us=period_us)


def parse_quantity(text: str) -> tuple[int, int] | None:
    """Returns (numerator, denominator) of a quantity of Kubernetes, exactly; None if it is none. Blanks around it do not count.

    The denominator is above 0, the numerator may be negative. Nothing is rounded; whole numbers and decimals of up to 60 digits, powers of
    ten up to 99.
    """
    text = text.strip(" ")
    negative = text.startswith("-")
    text = text[1:] if text[:1] in ("-", "+") else text
    suffix = text.lstrip("0123456789.")
    number = _parse_decimal(text.removesuffix(suffix).removesuffix("."))
    if number is None:
        return None
    numerator, denominator = -number[0] if negative else number[0], number[1]
    if suffix in _BINARY:
        return numerator << _BINARY[suffix], denominator
    power = _DECIMAL[suffix] if suffix in _DECIMAL else _parse_exponent(suffix)
    if power is None:
        return None
    return (numerator * 10**power, denominator) if power >= 0 else (numerator, denominator * 10**-power)


def _parse_exponent(suffix: str) -> int | None:
    """The power of ten of ``e9``, ``E+09`` and ``e-3``."""
    digits = suffix[2:] if suffix[1:2] in ("-", "+") else suffix[1:]
    if suffix[:1] not in ("e", "E") or not 0 < len(digits) <= _MOST_DIGITS or not _DIGITS.issuperset(digits):
        return None
    power = -int(digits) if suffix[1] == "-" else int(digits)
    return power if abs(power) <= _MOST_EXPONENT else None


def _parse_decimal(text: str) -> tuple[int, int] | None:
    """Returns (numerator, power of ten below it); None for anything but plain digits with at most one point, which has digits behind it."""
    whole, point, part = text.partition(".")
    digits = whole + part
    if not digits or len(digits) > _MOST_DIGITS or not _DIGITS.issuperset(digits) or (point and not part):
        return None
    return int(digits), int(f"1{'0' * len(part)}")


def _shown(text: str) -> str:
    return ascii(text[:40]) + ("..." if len(text) > 40 else "")
