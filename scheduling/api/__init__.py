"""The REST API of scheduling: one noun a file. Permissions are checked here; writes are one line to a service."""
