"""weather: what models explain the use of energy by."""

from dataclasses import dataclass
from typing import Final

from zonepulse.schemas.registry.model import Series
from zonepulse.schemas.registry.section import Field, Section


@dataclass(frozen=True, slots=True)
class Weather:
    """Outdoor temperature in Celsius. Of a series with the step 1d each value is the mean of a calendar day of the zone."""

    id: str
    source: str
    temperature_c: Series


WEATHER: Final = Section(
    "weather",
    "weather",
    Weather,
    (
        Field("id", "id", need=True),
        Field("source", "text", "the station and who publishes it", need=True),
        Field(
            "temperature_c",
            "series",
            "of the air outdoors, Celsius; of a step of 1d each value is a calendar day's mean",
            need=True,
        ),
    ),
)
