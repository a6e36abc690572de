"""Limits as systemd reads them, and why it drops one: it logs a line, and the unit runs without that limit. Pure.

src/basic/percent-util.c and parse-util.c; each row of tests/manifests/test_unitamounts.py was seen with systemd 252.
"""

from __future__ import annotations

_MOST_PARTS = (1 << 31) - 1  # ten-thousandths in an int
_UNKNOWN_SIZE = (1 << 64) - 1  # says "infinity" inside systemd, so nothing that comes to it is taken
_LEAST_CORES = 0.001  # the kernel's: 1 ms in a period of 1 s, to which systemd moves if a quota is smaller
_SIGNS = (("‱", 1, 0), ("‰", 10, 1), ("%", 100, 2))  # per 10,000, 1,000 and 100, and how many decimals each may have
_SUFFIXES = ("E", "P", "T", "G", "M", "K", "B", "")  # each number of a sum needs a smaller one than the number before


def parse_cpu_quota(text: str) -> float | None:
    """CPUQuota= in cores: ``250%``, ``33.33%``, also ``‰`` and ``‱``; None for what systemd drops."""
    parts = _parse_parts(text)
    return None if not parts else max(parts / 10_000, _LEAST_CORES)


def parse_share(text: str) -> float | None:
    """A share of the machine's memory, from 0 to 1; None if it is written as none."""
    parts = _parse_parts(text)
    return None if parts is None or parts > 10_000 else parts / 10_000


def parse_size(text: str) -> int | None:
    """MemoryMax= in bytes: ``512M``, ``1.5G``, ``1G 512M``; the letters are powers of 1024. None for what systemd drops, such as 0.

    ``infinity`` and shares are no sizes.
    """
    import re

    total, at, allowed = 0, 0, 0
    while at < len(text):
        found = re.compile(r"[ \t\n\r]*\+?([0-9]+)(?:\.([0-9]*))?[ \t\n\r]*").match(text, at)
        if found is None or len(found[1]) > 20 or allowed >= len(_SUFFIXES):
            return None
        rank = next((rank for rank in range(allowed, len(_SUFFIXES)) if text.startswith(_SUFFIXES[rank], found.end())), None)
        if rank is None:
            return None
        factor = 1 << max(10 * (6 - rank), 0)
        decimals = (found[2] or "")[:20]
        total += int(found[1]) * factor + int(decimals or 0) * factor // 10 ** len(decimals)
        at, allowed = found.end() + len(_SUFFIXES[rank]), rank + 1
    return total if 0 < total < _UNKNOWN_SIZE else None


def why_no_cpu_quota(text: str) -> str:
    """What is wrong with a CPUQuota= that systemd drops."""
    number, sign = (text[:-1].strip(), text[-1:]) if text.endswith(("%", "‰", "‱")) else (text, "")
    whole, _, decimals = number.partition(".")
    if "#" in text or ";" in text:
        return _COMMENT
    if not number.strip("0.") or number == "infinity":
        return "it is no quota; CPUQuota= without a value means none"
    if not sign:
        return "it has no % sign; 100% is one CPU"
    if whole.isdigit() and decimals.isdigit() and len(decimals) > 2:
        return "it has more than two decimals"
    return "it is not a number with at most two decimals and a % sign right behind it"


def why_no_size(key: str, text: str) -> str:
    """What is wrong with a size that systemd drops, and what it would read."""
    import re

    if "#" in text or ";" in text:
        return _COMMENT
    number = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kKmMgGtT])(i?[bB]?)", text.strip())
    if number is not None:
        return f"its only units are K, M, G, T, P and E, which are powers of 1024; {key}={number[1]}{number[2].upper()} is read"
    if text.strip().endswith("%"):
        return "a share of the machine's memory has at most two decimals and is at most 100%"
    if text.strip().strip("0.KMGTPEB") == "":
        return f"0 is no limit; {key}=infinity means none"
    return f"it is not a number with one of the units K, M, G or T, as in {key}=512M"


def meant_cpu_quota(text: str) -> str | None:
    """What a CPUQuota= that systemd drops was meant to say, None: that is not clear. Decimals that it does not take are cut off."""
    number, point, decimals = text.partition("#")[0].strip().strip('"').removesuffix("%").strip().partition(".")
    meant = f"{number}{point}{decimals[:2]}%"
    return meant if text.partition("#")[0].strip().strip('"').endswith("%") and parse_cpu_quota(meant) and number.isdecimal() else None


def meant_size(text: str) -> str | None:
    """What a size that systemd drops was meant to say, None: that is not clear. MB, a million bytes to some, is not."""
    import re

    number = re.fullmatch(r"\"?([0-9]+(?:\.[0-9]+)?) ?([kKmMgGtT])(?:i[bB]?)?\"?\s*(?:#.*)?", text)
    return f"{number[1]}{number[2].upper()}" if number is not None and parse_size(f"{number[1]}{number[2].upper()}") else None


_COMMENT = "a # or ; behind a value begins no comment: it is part of the value"


def _parse_parts(text: str) -> int | None:
    """Ten-thousandths; None for what is no share. The whole number may have a sign and C's prefixes: 0x10% is 16%, 010% is 8%."""
    import re

    sign = next((sign for sign in _SIGNS if text.endswith(sign[0])), None)
    if sign is None:
        return None
    number, point, decimals = text.removesuffix(sign[0]).lstrip(" \t\n\r").partition(".")
    digits = re.fullmatch(r"([+-]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]*|[1-9][0-9]*)", number)
    if digits is None or len(number) > 20 or (point and not (0 < len(decimals) <= sign[2] and decimals.isascii() and decimals.isdigit())):
        return None
    base = {"x": 16, "b": 2, "o": 8}.get(digits[2][1:2].lower(), 8 if digits[2].startswith("0") else 10)
    whole = int(digits[2].lstrip("0xXbBoO") or "0", base)
    parts = whole * sign[1] + int(decimals.ljust(sign[2], "0") or 0) if point else whole * sign[1]
    return None if parts > _MOST_PARTS or (digits[1] == "-" and whole) else parts
