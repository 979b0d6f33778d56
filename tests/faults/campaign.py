"""Many runs, one after another: which fault, what was injected, what was found."""

import time
import traceback
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.faults import database_faults, process_faults, registry, talk_faults  # noqa: F401 - they register
from tests.faults.registry import Fault
from tests.faults.world import Stuck, World


def run_all(options: Namespace, base: Path, database: Any) -> int:
    """Run what was asked for and print it; returns how many runs failed."""
    faults = _chosen(options)
    began, failed = time.monotonic(), Counter[str]()
    for seed in range(options.seed, options.seed + options.runs):
        name = list(faults)[seed % len(faults)]
        world = _run(name, faults[name], seed, options, base, database)
        failed[name] += bool(world.problems)
    _print_summary(options, failed, time.monotonic() - began)
    return failed.total()


def _chosen(options: Namespace) -> Mapping[str, Fault]:
    faults = registry.available(options.database)
    if unknown := set(options.only) - set(faults):
        wrong, known = ", ".join(sorted(unknown)), ", ".join(faults)
        raise SystemExit(f"No such fault on {options.database}: {wrong}. There are: {known}.")
    return {name: faults[name] for name in options.only or faults}


def _run(
    name: str, fault: Fault, seed: int, options: Namespace, base: Path, database: Any
) -> World:
    began = time.monotonic()
    database.reset()
    world = World(base, database, f"{name} {seed}", is_long=options.long)
    try:
        fault(world)
        world.judge()
    except Stuck as error:
        world.problems.extend([str(error), *sorted(world.broken)])
    except Exception:
        world.problems.append(traceback.format_exc())
    finally:
        world.close()
    _print_run(name, seed, world, time.monotonic() - began, options)
    return world


def _print_run(name: str, seed: int, world: World, seconds: float, options: Namespace) -> None:
    verdict = "FAILED" if world.problems else "ok"
    print(f"seed {seed} {name}: {'; '.join(world.injected)} | {world.summary} | ", end="")
    print(f"{verdict}, {seconds:.1f} s", flush=True)
    if world.problems:
        for problem in world.problems:
            print(f"    {problem}")
        long = " --long" if options.long else ""
        replay = f"--runs 1 --seed {seed} --only {name} --database {options.database}{long}"
        print(f"    Again: python -m tests.faults {replay}")
        if options.verbose:
            print(world.worker_log.read_text(errors="replace"), flush=True)


def _print_summary(options: Namespace, failed: Counter[str], seconds: float) -> None:
    for name, count in failed.items():
        if count:
            print(f"{name}: {count} failed")
    passed = options.runs - failed.total()
    rate = f"{3600 * options.runs / seconds:.0f} runs an hour on {options.database}"
    print(f"{passed} passed, {failed.total()} failed; {rate}")
