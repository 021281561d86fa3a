"""A limit is what a detector's scores on meters without faults say of the rate it is granted."""

import numpy as np
import pytest

from zonepulse.processors.detection.channel.step import JUDGED
from zonepulse.processors.flow import new_rows
from zonepulse.streams.detect.calibrate import Tail, peaks
from zonepulse.streams.detect.series import shown


def test_a_peak_is_the_highest_of_scores_that_lie_close() -> None:
    scores = np.zeros(100)
    scores[[10, 12, 60]] = 0.5, 0.9, 0.3
    assert peaks(scores, 24) == [0.9, 0.3]
    assert peaks(scores, 1) == [0.5, 0.9, 0.3]
    assert peaks(np.zeros(5), 1) == []


def test_a_rate_within_what_was_seen_is_the_lowest_peak_and_a_rarer_one_lies_on_the_tail() -> None:
    tail = Tail([4.0, 2.0, 1.0], shape=0.5, least=0.0)
    assert tail.limit(months=30.0, rate=0.1) == 1.0
    assert tail.limit(months=30.0, rate=0.001) == pytest.approx(10.0)


def test_a_detector_with_a_rule_is_not_set_below_it() -> None:
    assert Tail([0.5, 0.2, 0.1], shape=0.5, least=1.0).limit(30.0, 0.1) == 1.0
    assert Tail([], shape=0.5, least=1.0).limit(30.0, 0.1) == 1.0


def test_people_are_shown_what_begins_on_a_channel_without_alert() -> None:
    judged = new_rows(JUDGED, 4)
    judged["raised"], judged["firing"] = [1, 2, 0, 1], [1, 3, 0, 1]
    assert shown(judged).tolist() == [True, False, False, True]
