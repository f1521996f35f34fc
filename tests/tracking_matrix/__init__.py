"""Every store, every MLflow, every ending: the run that the user sees against the job."""
