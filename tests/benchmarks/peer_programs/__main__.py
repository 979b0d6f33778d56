"""`python -m tests.benchmarks.peer_programs PEER ACTION COUNT`: prints the result as JSON.

Each peer's module has `drain` (jobs a second) and, where its waiting is measured,
`starts` (milliseconds from commit to start, each) and the `work` of its worker.
"""

import json
import sys
from importlib import import_module

if __name__ == "__main__":
    peer, action, count = sys.argv[1:]
    module = import_module(f"tests.benchmarks.peer_programs.{peer}_jobs")
    print(json.dumps(getattr(module, action)(int(count))))
