"""Run the benchmarks and print one table: `python -m tests.benchmarks --help`."""

import argparse
import json
import os
import platform
import sqlite3
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import django

from tests.benchmarks import bench
from tests.benchmarks.figures import Figure, table
from tests.postgres import DEFAULT_URL, VARIABLE

NAMES = ("waiting", "throughput", "recording", "crowd", "maintenance")
WITH_REAL_AGENTS = ("answer",)
"""These run only when they are named."""

ALL = NAMES + WITH_REAL_AGENTS
DATABASES = ("sqlite", "postgresql")


def main() -> None:
    options = _arguments()
    wanted = DATABASES if options.database == "both" else (options.database,)
    url = os.environ.get(VARIABLE, DEFAULT_URL)
    with bench.servers(wanted, url) as servers:
        stand = bench.Bench(servers, options.rounds, options.scale)
        figures = [figure for name in options.names or NAMES for figure in _measured(name, stand)]
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps(_report(options, figures), indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", type=_name, metavar="NAME", help=", ".join(ALL))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there too")
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="work in a round; below 1 for a quick look"
    )
    return parser.parse_args()


def _name(text: str) -> str:
    if text not in ALL:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(ALL)}")
    return text


def _measured(name: str, stand: bench.Bench) -> Sequence[Figure]:
    print(f"Measuring {name} …", flush=True)
    return list(import_module(f"tests.benchmarks.{name}").measure(stand))


def _report(options: argparse.Namespace, figures: Sequence[Figure]) -> dict[str, Any]:
    return {
        "rounds": options.rounds,
        "scale": options.scale,
        "python": platform.python_version(),
        "django": django.get_version(),
        "sqlite": sqlite3.sqlite_version,
        "cores": os.cpu_count(),
        "figures": [figure.as_json() for figure in figures],
    }


if __name__ == "__main__":
    main()
