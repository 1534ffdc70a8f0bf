"""Runs by Celery's workers: the scheduler hands them ids through a broker; they claim, beat and record as nodes do."""
