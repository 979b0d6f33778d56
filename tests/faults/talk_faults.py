"""Faults while agents wait for people: nothing runs that was not allowed, and no word is lost."""

import signal
import subprocess
import threading

from jobs_app.models import Job, JobAttempt, JobRequest, Worker
from tests.faults import oracle
from tests.faults.registry import ON_BOTH, ON_POSTGRESQL, fault
from tests.faults.world import World, kill

QUICKLY = {"POKECODE_REQUEST_WAIT": "1"}


@fault(ON_BOTH)
def killed_while_waiting(world: World) -> None:
    """kill -9 of the worker, of its agents, or of both, while agents wait for an answer."""
    world.submit_asking(3, 2)
    worker = world.start_worker()
    _wait_for_questions(world)
    victims = world.random.choice(("worker", "agents", "worker and agents"))
    agents = oracle.marked_processes()
    if "worker" in victims:
        _kill(worker)
    if "agents" in victims:
        for pid in agents:
            kill(pid)
    world.inject(f"kill -9 of {victims}")
    world.pass_time(world.random.choice((0, 0.3)))
    if world.random.random() < 0.5:
        world.inject(f"{world.answer_all()} answers before the next worker")
    _stop(world, worker)
    world.finish_answering()


@fault(ON_POSTGRESQL)
def server_killed_while_waiting(world: World) -> None:
    """kill -9 of the database's server while agents wait for an answer."""
    world.submit_asking(3, 2)
    worker = world.start_worker()
    _wait_for_questions(world)
    with world.database.killed():
        world.inject("kill -9 of the server")
        world.pass_time(world.random.choice((0, 0.5, 1.5)))
    world.answer_to_the_end()
    _stop(world, worker)


@fault(ON_BOTH)
def killed_after_the_answer(world: World) -> None:
    """kill -9 of the worker between an answer and its delivery, or just after that."""
    world.submit_asking(3, 2)
    worker = world.start_worker()
    _wait_for_questions(world)
    if world.random.random() < 0.5:
        worker.send_signal(signal.SIGSTOP)
        world.inject("SIGSTOP")
    world.inject(f"{world.answer_all()} answers")
    world.pass_time(world.random.choice((0, 0, 0.005, 0.02, 0.1)))
    _kill(worker)
    world.inject("kill -9 of the worker")
    world.finish_answering()


@fault(ON_BOTH)
def parked_and_rescued(world: World) -> None:
    """kill -9 of the worker about when it parks what waits, and then of the next one."""
    world.submit_asking(3, 2)
    for _ in range(2):
        worker = world.start_worker(**QUICKLY)
        _wait_for_questions(world)
        world.pass_time(world.random.uniform(0.8, 1.5))
        _kill(worker)
        parked = Job.objects.pending().waiting().count()
        world.inject(f"kill -9 of the worker, {parked} parked")
        world.inject(f"{world.answer_all(1)} answers")
    world.finish_answering(**QUICKLY)


@fault(ON_BOTH)
def drained_while_waiting(world: World) -> None:
    """SIGTERM while agents wait: each is parked, and nobody is waited for."""
    world.submit_asking(3, 2)
    worker = world.start_worker()
    _wait_for_questions(world)
    worker.terminate()
    world.inject("SIGTERM")
    if world.random.random() < 0.5:
        world.pass_time(world.random.choice((0, 0.005, 0.02)))
        world.inject(f"{world.answer_all()} answers meanwhile")
    world.end(worker, 20)
    if oracle.marked_processes():
        world.broken.add("a worker that was stopped cleanly left processes")
    world.finish_answering()


@fault(ON_BOTH)
def answered_twice_at_once(world: World) -> None:
    """Two people answer the same questions in opposite ways at the same moment."""
    world.submit_asking(3, 2)
    worker = world.start_worker()
    while Job.objects.unfinished().exists():
        world.until(_asked_or_done, "a question, or the end of all jobs")
        for request in JobRequest.objects.unanswered():
            _answer_twice(world, request)
    world.inject(f"{len(world.answers)} questions answered by two")
    _stop(world, worker)


@fault(ON_BOTH)
def frozen_while_waiting(world: World) -> None:
    """SIGSTOP while agents wait; people answer, another worker takes over, then SIGCONT."""
    world.submit_asking(3, 2)
    first = world.start_worker()
    _wait_for_questions(world)
    first.send_signal(signal.SIGSTOP)
    world.inject("SIGSTOP")
    if world.random.random() < 0.7 and not world.database.is_held():
        world.inject(f"{world.answer_all()} answers")
    world.until(lambda: not Worker.objects.alive().exists(), "the frozen worker to seem dead")
    second = world.start_worker()
    world.pass_time(world.random.choice((0.5, 2)))
    first.send_signal(signal.SIGCONT)
    world.inject("SIGCONT")
    world.answer_to_the_end()
    _stop(world, first)
    _stop(world, second)


@fault(ON_BOTH)
def killed_while_told(world: World) -> None:
    """kill -9 of the worker while its agents are told things, which they read late or at once."""
    world.submit_asking(3, 2, sleep=0.3)
    worker = world.start_worker()
    _wait_for_questions(world)
    world.inject(f"{world.tell_all()} words")
    world.pass_time(world.random.choice((0, 0.01, 0.1)))
    _kill(worker)
    world.inject("kill -9 of the worker")
    world.finish_answering()


def _wait_for_questions(world: World) -> None:
    count = world.random.choice((1, 1, 2, 3))
    world.until(lambda: JobRequest.objects.unanswered().count() >= count, "questions")
    world.pass_time(world.random.uniform(0, 0.2))


def _asked_or_done() -> bool:
    return JobRequest.objects.unanswered().exists() or not Job.objects.unfinished().exists()


def _answer_twice(world: World, request: JobRequest) -> None:
    given: list[bool] = []
    people = [
        threading.Thread(target=lambda how=how: given.append(world.answer(request, how)))
        for how in ("allow", "deny")
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()
    if sorted(given) != [False, True]:
        world.broken.add(f"request {request.pk}: {given.count(True)} answers were taken of two")


def _kill(worker: "subprocess.Popen[bytes]") -> None:
    worker.kill()
    worker.wait()


def _stop(world: World, worker: "subprocess.Popen[bytes]") -> None:
    world.stop(worker)
    if not JobAttempt.objects.open().exists() and oracle.marked_processes():
        world.broken.add("an agent goes on that no open attempt tells of")
