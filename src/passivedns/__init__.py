"""A passive DNS connector for OpenCTI."""

__version__ = "1.0.0"
