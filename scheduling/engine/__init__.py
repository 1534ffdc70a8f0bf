"""The scheduler process. Nobody but the command ``runapscheduler`` enters."""
