"""A trainer says where it stands, seldom if nothing changes."""

import pytest

from trainer.stage_log import LEAST_S, REPEAT_S, StageLog


def test_lines_are_rationed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    now_s = 5.0
    stages = StageLog(lambda: int(now_s * 1e6))
    said = []
    for step in range(int(3 * REPEAT_S)):
        now_s = 5.0 + step
        caplog.clear()
        stages.say(*(("waits", "") if step < 2 * REPEAT_S else ("learned", f" {step}")))
        said += [(step, message) for message in caplog.messages]
    waits = [step for step, message in said if message == "waits"]
    assert waits == [0, int(REPEAT_S)]
    learned = [step for step, message in said if message != "waits"]
    assert learned == list(range(int(2 * REPEAT_S), int(3 * REPEAT_S), int(LEAST_S)))
