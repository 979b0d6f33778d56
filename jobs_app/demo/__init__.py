"""The demo: an agent without a model (`agent`) and the project that it looks at (`project`)."""
