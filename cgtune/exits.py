"""All exit codes of the program, in one place; README.md says what each means to whoever starts it."""

from __future__ import annotations

CLEAN, FINDING, USAGE, COULD_NOT_INSPECT, INTERRUPTED = 0, 1, 2, 3, 130

#: Of ``exec``, as of env(1): its command has all others.
EXEC_FAILED, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127

#: What ``check --exit-style`` takes: 0 and 1, or what monitoring systems want.
STYLES = ("lint", "nagios")

#: Of ``check --exit-style nagios``, as the Monitoring Plugins guidelines have them; 0 is theirs too.
NAGIOS_WARNING, NAGIOS_CRITICAL, NAGIOS_UNKNOWN = 1, 2, 3
