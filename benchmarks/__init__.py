"""Measures the performance of the connector on the local machine."""
