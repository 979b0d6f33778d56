"""What `settings` is computed from, and `start`: what an entry point makes before that."""
