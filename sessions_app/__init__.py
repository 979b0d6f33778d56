"""Conversations: sessions, their messages, and how they are shown. Knows nothing of jobs.

From outside: `models`, `transcript` (the only writer of messages), `changes`, `projects`,
`providers`, `display`, and for other admin pages `admin.base` and `admin.forms`.
"""
