"""Jobs: from the submitted document through a real process to the ended run."""
