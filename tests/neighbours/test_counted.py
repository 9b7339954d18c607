"""Exchanges are counted for as long as a process lives, in one cell for each way they can end."""

from armature.adapters.prometheus.door import exposition
from armature.engine.instruments import Instruments
from armature.engine.telemetry import Telemetry
from armature.runtime.joining import counted


def test_a_long_life_takes_no_more_cells_than_there_are_ends() -> None:
    telemetry = Telemetry()
    count = counted(Instruments(telemetry).exchanges)
    for _ in range(20_000):
        count("counter", "ok")
    count("counter", "late")
    shown = exposition(telemetry)("text/plain")[0].decode()
    assert 'armature_neighbour_exchanges_total{ended="ok",module="counter"} 20000.0' in shown
    assert 'armature_neighbour_exchanges_total{ended="late",module="counter"} 1.0' in shown
