"""The queue and the job processor. Knows nothing of the site; uses sessions_app.

From outside: `models`, `queue` (what people ask for), `acts` (the same as buttons), `status`,
`trusts`, `checks`, `agents` for what is installed here, `demo.place`, `worker.sweeps` for the
start of `up`, and for other admin pages `admin.forms`, `admin.jobs` and `admin.sessions`. The
rest of what workers do (`leases`, `worker`, `processes`) is used in here only.
"""
