"""`python -m pokecode_site`: the same commands as `manage.py`."""

from pokecode_site.cli import main

if __name__ == "__main__":
    main()
