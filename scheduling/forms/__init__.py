"""Inputs that several faces show: parameters by their schema, schedules by their kind."""
