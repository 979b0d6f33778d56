"""The queue and the job processor. Knows nothing of the site; uses sessions_app.

From outside: `models`, `queue` (what people ask for), `status`, `trusts`, and `agents` for
what is installed here. What workers do (`leases`, `worker`, `processes`) is used in here only.
"""
