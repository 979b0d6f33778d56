"""The demo: an agent without a model (`agent`), the project it looks at, and where both live.

For use from outside: `place`, which `up --demo` asks.
"""
