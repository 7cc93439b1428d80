"""Provides an embedded OpenCTI and stand-ins for the sources on loopback, for the demo and the tests."""
