"""What a browser is given: the admin site, its dashboard, the session page, streams, health."""
