"""What a webhook receives: the message, and its alerts as data that the subscriber may know of. Pure."""

from typing import Any

from zonepulse.streams.notify.messages.pages import Reader
from zonepulse.streams.notify.routing.facts import Row, is_visible
from zonepulse.streams.notify.routing.state import Parcel


def payload(parcel: Parcel, reader: Reader, subject: str, text: str) -> dict[str, Any]:
    """JSON of one message. `alerts` are those that it shows, `total` counts all that it is about."""
    shown = [(said, row) for said, row in parcel.rows if is_visible(row, reader.subscriber, reader.known)]
    return {
        "key": parcel.key,
        "zone": reader.known.zone,
        "subscriber": parcel.subscriber,
        "kind": parcel.kind,
        "made_at_ms": parcel.made_at_ms,
        "subject": subject,
        "text": text,
        "total": len(parcel.items) - (len(parcel.rows) - len(shown)),
        "alerts": [_alert(said, row, reader) for said, row in shown],
    }


def _alert(said: str, row: Row, reader: Reader) -> dict[str, Any]:
    """Its evidence may name others: only who is told of the whole zone gets it."""
    meter = reader.known.meters.get(row.meter)
    return {
        "identity": row.identity,
        "said": said,
        "rule": row.rule,
        "severity": row.severity,
        "company": row.company,
        "site": meter.site if meter else "",
        "gateway": meter.gateway if meter else "",
        "meter": row.meter,
        "node": row.node,
        "starts_at_ms": row.starts_at,
        "ends_at_ms": row.ends_at,
        "value": row.value,
        "expected_low": row.expected_low,
        "expected_high": row.expected_high,
        "impact_kg": row.impact_kg,
        **({} if reader.subscriber.company else {"evidence": row.facts()}),
    }
