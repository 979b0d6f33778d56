"""The composition root: settings, pages and `up`. Nothing else imports from here."""
