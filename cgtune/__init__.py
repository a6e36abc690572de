"""cgtune: what the kernel enforces on a process, what its runtime derives from that, and what it really has.

>>> import cgtune
>>> report = cgtune.inspect()
>>> report.processes[0].limits.cpu.limit_cores  # doctest: +SKIP
0.5
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["__version__", "inspect", "predict"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cgtune.api import inspect, predict
else:

    def __getattr__(name):  # start-up is a feature: `cgtune --version` needs none of it
        if name in __all__:
            from cgtune import api

            return getattr(api, name)
        raise AttributeError(f"module 'cgtune' has no attribute {name!r}")
