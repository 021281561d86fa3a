"""`subscribers:` of zone.yaml's JSON Schema."""

from typing import Final

from zonepulse.schemas.documents.parts import Schema, list_of, mapping, number, one_word, ref, said
from zonepulse.schemas.registry.subscribers import DEFAULT_RATE, DIGESTS, LANGUAGES, SEVERITIES

_TIME_OF_DAY: Final = "([01][0-9]|2[0-3]):[0-5][0-9]"


def subscriber_schema() -> Schema:
    """Of zone.yaml's JSON Schema."""
    only = {
        "companies": list_of(ref("id")), "sites": list_of(ref("id")), "rules": list_of({"type": "string"}),
        "impact_kg": number("the least impact, kg CO2e"),
    }  # fmt: skip
    clock = {"type": "string", "pattern": f"^{_TIME_OF_DAY}$"}
    return mapping(
        {
            "id": ref("id"),
            "to": said(
                list_of({"type": "string", "pattern": "^(mailto|channel|webhook):"}) | {"minItems": 1},
                "mailto:name@company.example; channel:NAME and webhook:NAME are the installation's",
            ),
            "company": ref("id", "is told facts of this company alone; absent: of the whole zone"),
            "only": said(mapping(only), "filters; rules may end with *"),
            "severity": one_word(SEVERITIES, "the least", "info"),
            "language": one_word(LANGUAGES, default="en"),
            "timezone": {"type": "string", "description": "IANA name; absent: the zone's"},
            "quiet": said(list_of(clock) | {"minItems": 2, "maxItems": 2}, "from and to on the local clock"),
            "digest": one_word(DIGESTS[1:], "gathers what is not critical; absent: at once"),
            "digest_at": clock | {"description": "of a daily digest", "default": "08:00"},
            "rate_per_hour": said(
                {"type": "integer", "minimum": 1}, "messages, beyond which only critical alerts come", DEFAULT_RATE
            ),
            "send_resolved": said({"type": "boolean"}, "whether the end of an alert is told", True),
            "escalate": said(
                mapping({"to": ref("id"), "after": ref("duration", default="15m")}, "to"),
                "who is told next of a critical alert that nobody acknowledges",
            ),
        },
        "id",
        "to",
    )
