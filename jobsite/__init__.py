"""The Django project: settings, addresses, and the command that starts everything."""

__version__ = "0.1.0"
