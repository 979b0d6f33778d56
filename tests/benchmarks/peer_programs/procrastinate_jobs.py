"""procrastinate on PostgreSQL."""

import asyncio
import os
import time

import procrastinate

from tests.benchmarks.peer_programs import knocking

CONCURRENCY = 100

connector = procrastinate.PsycopgConnector(conninfo=os.environ["DATABASE_URL"])
app = procrastinate.App(connector=connector)


@app.task(name="noop")
async def noop():
    pass


@app.task(name="knock")
async def knock():
    knocking.knock()


def drain(count):
    return asyncio.run(_drain(count))


async def _drain(count):
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await noop.batch_defer_async(*({} for _ in range(count)))
        began = time.perf_counter()
        await app.run_worker_async(
            wait=False, concurrency=CONCURRENCY, install_signal_handlers=False
        )
        seconds = time.perf_counter() - began
        assert not list(await app.job_manager.list_jobs_async(status="todo"))
    return count / seconds


def starts(count):
    sync_app = app.with_connector(connector.get_sync_connector())
    with sync_app.open():
        sync_app.schema_manager.apply_schema()
        return knocking.starts("procrastinate", sync_app.tasks["knock"].defer, count)


def work(_count):
    app.run_worker()
