"""Faults: what goes wrong between a client and the service, on request and by a plan."""
