"""The API of this app: one noun a file. Permission is checked here, state in the services."""
