"""What a browser gets: the admin site, its dashboard, the session page, streams, health."""
