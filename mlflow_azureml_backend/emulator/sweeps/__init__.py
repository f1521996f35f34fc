"""Sweeps: what a search space means, which trials are tried next, and which are given up."""
