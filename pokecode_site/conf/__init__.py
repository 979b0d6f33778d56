"""Environment, data directory, database and logs: what `settings` is made from."""
