"""Settings of the whole suite.

``HYPOTHESIS_PROFILE=thorough TEST_EFFORT=100 pytest`` draws new random examples, and a hundred times as many.
"""

import os

from hypothesis import HealthCheck, settings

# One thread a process: the models are tiny, and the suite runs in several processes.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile(
    "default", deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=True
)
settings.register_profile("thorough", parent=settings.get_profile("default"), derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
