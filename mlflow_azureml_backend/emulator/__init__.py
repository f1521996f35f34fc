"""A loopback Azure ML workspace: the services of Azure that a submission and its job talk to."""
