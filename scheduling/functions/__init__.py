"""Task functions that reach out of the process: programs and other servers. Registered through scheduling/tasks.py."""
