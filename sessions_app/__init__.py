"""Conversations: sessions, their messages, and how they are shown. Knows nothing of jobs.

From outside: `models`, `transcript` (the only writer of messages), `changes`, `projects`,
`providers`, `display`, `storage`, `fields` and `ids` for other models, `lookup`, `validation`,
`visible`, for other commands `management.refusals`, and for other admin pages `admin.base`,
`admin.forms`, `admin.sessions` and `admin.versions`.
"""
