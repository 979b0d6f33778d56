"""Sessions and messages in the admin, and what all admin pages share (`base`, `forms`).

Nothing is registered here: jobs_app and the site add to these pages first.
"""
