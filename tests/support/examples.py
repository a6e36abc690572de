"""How many examples a property draws if the profile's own number is not right for it."""

from __future__ import annotations

from hypothesis import settings


def drawn(times: float) -> settings:
    """So many times the examples of the profile (tests/conftest.py): the 100 of a desk or CI, or the quarter of them that ``--fast`` draws.

    A number of its own would be drawn in full under ``--fast`` too.
    """
    return settings(max_examples=round(settings().max_examples * times))
