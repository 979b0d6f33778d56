"""Typed shapes become the rows of a conversation, and rows a page or lines on a terminal.

From outside: `rendering`, `confined` and `html` for pages, `terminal` and `following` for commands.
"""
