"""The emulator beside the real service: recordings of its traffic, and its official OpenAPI."""
