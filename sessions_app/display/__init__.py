"""Typed shapes become the rows of a conversation, and these a page or lines of a terminal.

From outside: `rendering` and `html` for pages, `terminal` and `following` for commands.
"""
