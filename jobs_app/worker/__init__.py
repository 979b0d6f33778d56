"""The job processor. For use from outside: `processor.JobProcessor`, and the commands' sweeps."""
