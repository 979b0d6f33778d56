"""The job processor. From outside: `processor.JobProcessor`, and the sweeps that commands run."""
