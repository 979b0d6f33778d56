"""When a worker is cut off, and when it may count a silent one as gone."""

import pytest

from jobs_app.worker import pulse
from jobs_app.worker.pulse import Pulse


class Clock:
    """Both clocks; a machine that sleeps stops the first one."""

    def __init__(self) -> None:
        self.running = self.since_boot = 1000.0

    def pass_time(self, seconds: float) -> None:
        self.running += seconds
        self.since_boot += seconds

    def sleep(self, seconds: float) -> None:
        self.since_boot += seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("jobs_app.worker.pulse.time.monotonic", lambda: clock.running)
    monkeypatch.setattr(pulse, "_since_boot", lambda: clock.since_boot)
    return clock


def beat_for(seconds: int, own: Pulse, clock: Clock) -> None:
    for _ in range(seconds // 5):
        clock.pass_time(5)
        own.beat(clock.running)


def test_a_new_worker_gives_the_others_time_to_beat(clock):
    own = Pulse(30)
    beat_for(5, own, clock)
    assert not own.may_judge_silence
    beat_for(5, own, clock)
    assert own.may_judge_silence


def test_what_has_kept_it_from_beating_may_have_kept_the_others(clock):
    own = Pulse(30)
    beat_for(60, own, clock)
    clock.pass_time(40)
    assert not own.may_judge_silence
    own.beat(clock.running)
    assert not own.may_judge_silence
    beat_for(10, own, clock)
    assert own.may_judge_silence


def test_after_the_machine_slept_all_have_been_silent(clock):
    own = Pulse(30)
    beat_for(60, own, clock)
    clock.sleep(3600)
    assert not own.may_judge_silence
    assert not own.is_cut_off


def test_without_heartbeats_it_is_cut_off_in_time_to_end_its_agents(clock):
    own = Pulse(30)
    clock.pass_time(15)
    assert not own.is_cut_off
    clock.pass_time(5)
    assert own.is_cut_off
