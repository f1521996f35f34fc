"""Lock an environment: exact versions and hashes for what a conda file leaves open."""
