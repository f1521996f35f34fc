"""The routes of the emulated services, one module for each concern."""
