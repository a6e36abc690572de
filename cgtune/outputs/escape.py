"""Text that comes from another process is untrusted: what could steer a terminal is shown as its code."""

from __future__ import annotations


def escape_control(text: str) -> str:
    r"""Control characters, lone surrogates (bytes that were not UTF-8) and what turns text round, as `\x1b` or `\u202e`."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _code(ord(character)) for character in text)


def escape_bytes(text: str) -> str:
    r"""Bytes that were not UTF-8, as `\xff`; all else as it is. For JSON, whose strict readers take no lone surrogate."""
    return "".join(_code(ord(character)) if "\ud800" <= character <= "\udfff" else character for character in text)


def escape_markup(text: str) -> str:
    """Text of whatever source as HTML: what could steer a terminal or turn text round as its code, then the four letters of markup."""
    return escape_control(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;").replace("'", "&#39;")


def _code(number: int) -> str:
    if 0xDC80 <= number <= 0xDCFF:  # surrogateescape: the byte itself
        number -= 0xDC00
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
