"""What all tests share."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# How long an example takes to make says how busy the machine is, not what the code does.
settings.register_profile("hubbub", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hubbub")
