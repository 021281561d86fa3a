"""A topic is one declaration, and who reads and sends it another: the AsyncAPI document has both."""

from pathlib import Path
from typing import Any

import pytest
from extended import Extended

pytestmark = pytest.mark.integration
TOPIC = 'WEATHER: Final = Topic("weather", key="station", value="one observation (JSON object)", cleanup="compact")\n\nTOPICS: Final = ('
TASK = """    Task("forecast", "workers.forecast", (WEATHER,), (Sends(RESULTS, ("live",), "What will be."),), follows=(FACTORS,)),
    Task(
        "archive",
"""
PROGRAM = """
import json
from zonepulse.schemas.documents.asyncapi import asyncapi
found = asyncapi()
mine = {name: o["channel"]["$ref"] + " " + o["action"] for name, o in found["operations"].items() if name.startswith("forecast")}
print(json.dumps({
    "channel": found["channels"]["weather"],
    "message": found["components"]["messages"]["weatherRecord"],
    "mine": mine,
    "live": found["operations"]["forecastSendsResults"],
}))
"""


def test_a_topic_and_its_task_are_in_the_document(tmp_path: Path) -> None:
    tree = Extended(tmp_path)
    tree.alter("schemas/messages/topics.py", ("TOPICS: Final = (READINGS, ", TOPIC + "WEATHER, READINGS, "))
    tree.alter(
        "schemas/messages/tasks.py",
        ('    Task(\n        "archive",\n', TASK),
        ("    Topic,\n)", "    WEATHER,\n    Topic,\n)"),
    )
    assert len(tree.files) == 2
    found: dict[str, Any] = tree.run(PROGRAM)
    assert found["channel"]["address"] == "{prefix}weather"
    assert list(found["channel"]["messages"]) == ["weatherRecord"]
    assert found["message"]["title"] == "one observation (JSON object)"
    assert found["mine"] == {
        "forecastReadsWeather": "#/channels/weather receive",
        "forecastReadsFactors": "#/channels/factors receive",
        "forecastReadsRegistry": "#/channels/registry receive",
        "forecastReadsCommands": "#/channels/commands receive",
        "forecastSendsResults": "#/channels/results send",
        "forecastSendsIntervals": "#/channels/intervals send",
        "forecastSendsDeadletters": "#/channels/deadletters send",
    }
    assert found["live"]["messages"] == [{"$ref": "#/channels/results/messages/live"}]
    assert found["live"]["summary"] == "What will be."
