from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# No deadline: on a machine with two busy cores a slow example says nothing about the code. In CI the examples are the same in every run,
# so that a red build is the fault of the change it tests; at a desk they are new each time.
settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("desk"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
