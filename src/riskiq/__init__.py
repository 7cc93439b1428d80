"""Passive DNS from RiskIQ PassiveTotal for OpenCTI."""

__version__ = "1.0.0"
