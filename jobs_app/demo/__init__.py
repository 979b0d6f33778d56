"""The demo: an agent without a model (`agent`) and the project it looks at (`project`)."""
