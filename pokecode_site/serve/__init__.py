"""`up`: a socket, the first admin, the site, and the job processor as its child."""
