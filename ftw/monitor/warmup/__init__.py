"""Loads what the first visitors need before they come."""

from ftw.monitor.warmup.performer import DefaultWarmupPerformer  # noqa: F401
