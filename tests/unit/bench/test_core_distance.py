from __future__ import annotations

import os
import sys

import pytest

from bench.core_distance import CoreDistance, core_distance

NEAR_S, FAR_S = 0.3e-6, 0.7e-6


def _distance(*ways_s: float) -> CoreDistance:
    following = iter(ways_s)
    return CoreDistance(lambda: next(following))


def test_it_waits_until_the_cores_are_as_near_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("bench.core_distance.time.sleep", waits.append)
    cores = _distance(NEAR_S, FAR_S, FAR_S, NEAR_S * 1.2)
    assert cores.wait_until_near()
    assert waits == []
    assert cores.wait_until_near()
    assert len(waits) == 2


def test_a_nearer_place_makes_the_first_a_far_one(capsys: pytest.CaptureFixture[str]) -> None:
    cores = _distance(FAR_S, NEAR_S, FAR_S)
    assert cores.wait_until_near()
    assert cores.wait_until_near()
    assert capsys.readouterr().err == ""
    assert not cores.wait_until_near(patience_s=0)
    assert "far from each other" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="processes are held on one processor")
def test_the_real_way_is_of_the_order_of_a_microsecond_and_leaves_the_process_free() -> None:
    allowed = os.sched_getaffinity(0)
    with core_distance() as cores:
        assert all(cores.wait_until_near(patience_s=30) for _ in range(3))
        if len(allowed) > 1:
            assert 1e-8 < cores.shortest_s < 1e-4
    assert os.sched_getaffinity(0) == allowed
