"""The configuration: `bridge.toml` read, resolved, checked, and exported as a JSON Schema for editors."""

from omnibridge.config.check import check
from omnibridge.config.identity import rules
from omnibridge.config.load import Config, Problem, load, parse
from omnibridge.config.model import ConfigFile, RetentionSection, ServerSection
from omnibridge.config.retention import retention

__all__ = [
    "Config",
    "ConfigFile",
    "Problem",
    "RetentionSection",
    "ServerSection",
    "check",
    "load",
    "parse",
    "retention",
    "rules",
]
