"""Pipelines: what their steps are bound to, in which order they run, and the job of each step."""
