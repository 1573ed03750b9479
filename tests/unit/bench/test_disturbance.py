"""What others took of the processors: all that was busy and not ours."""

from __future__ import annotations

import pytest

from bench.disturbance import CpuTimes, others_share, parse_cpu_times


def test_the_columns_of_proc_stat_are_told_apart() -> None:
    #            user nice system idle iowait irq softirq steal guest guest_nice
    line = "cpu  1000 200  300    4000 500    10  20      30    7     8"
    times = parse_cpu_times(line, 100, own=2.5)
    assert times.busy == pytest.approx(15.6)
    assert times.total == pytest.approx(60.6)
    assert times.own == 2.5


def test_the_share_of_others_is_what_was_busy_and_not_ours() -> None:
    earlier = CpuTimes(busy=100.0, own=10.0, total=1000.0)
    later = CpuTimes(busy=117.0, own=22.0, total=1020.0)
    assert others_share(earlier, later) == pytest.approx(0.25)


def test_rounding_of_the_clocks_makes_no_negative_share() -> None:
    earlier = CpuTimes(busy=100.0, own=10.0, total=1000.0)
    assert others_share(earlier, CpuTimes(busy=101.0, own=11.02, total=1002.0)) == 0.0


def test_an_unknown_moment_leaves_the_share_unknown() -> None:
    known = CpuTimes(busy=1.0, own=1.0, total=1.0)
    assert others_share(None, known) is None
    assert others_share(known, None) is None
