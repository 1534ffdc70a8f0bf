"""The REST API of managed instances: one noun a file."""
