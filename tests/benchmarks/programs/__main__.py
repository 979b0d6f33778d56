"""`python -m tests.benchmarks.programs NAME OPTIONS`: what measures inside a place.

Options are JSON; what the module's `main` returns is printed as JSON.
"""

import json
import sys
from importlib import import_module

import django

from pokecode_site.conf import start

if __name__ == "__main__":
    start.prepare()
    django.setup()
    program = import_module(f"tests.benchmarks.programs.{sys.argv[1]}")
    print(json.dumps(program.main(**json.loads(sys.argv[2]))))
