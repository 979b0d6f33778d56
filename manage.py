#!/usr/bin/env python
"""PokéCode's command line: `python manage.py help` lists the commands."""

from pokecode_site.cli import main

if __name__ == "__main__":
    main()
