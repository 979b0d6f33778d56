"""The faults by name. Each gets a world with an empty queue and leaves jobs that can all end."""

from collections.abc import Callable

from tests.faults.world import World

Fault = Callable[[World], None]

ON_BOTH: dict[str, Fault] = {}
ON_SQLITE: dict[str, Fault] = {}
ON_POSTGRESQL: dict[str, Fault] = {}


def fault(*tables: dict[str, Fault]) -> Callable[[Fault], Fault]:
    def register(function: Fault) -> Fault:
        for table in tables:
            table[function.__name__] = function
        return function

    return register


def available(database: str) -> dict[str, Fault]:
    return ON_BOTH | (ON_SQLITE if database == "sqlite" else ON_POSTGRESQL)
