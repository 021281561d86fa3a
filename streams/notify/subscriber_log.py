"""Subscribers on `zp.subscribers`, for commands and links: reading who there is, writing what they want."""

import secrets
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace

from kafka import KafkaProducer

from zonepulse.schemas.languages import LANGUAGES
from zonepulse.schemas.messages.topics import REGISTRY, SUBSCRIBERS
from zonepulse.schemas.registry.subscribers import DIGESTS, SEVERITIES, WISH, BadSubscriber, Subscriber, Wish, checked, with_consent
from zonepulse.streams.access.address import connection_to
from zonepulse.streams.control.registry_topic import CONNECT_MS, load_versions, read_to_end
from zonepulse.streams.notify.routing.people import People

SEND_TIMEOUT_S = 30


def read_people(broker: str, prefix: str) -> People:
    """Everybody, by the newest registry and the topic as it stands now. Raises kafka.errors.KafkaError."""
    people = People()
    versions = load_versions(broker, REGISTRY.full_name(prefix))
    if versions:
        people.use(versions[max(versions)])
    for record in read_to_end(broker, SUBSCRIBERS.full_name(prefix)):
        try:
            people.put((record.key or b"").decode("utf-8", "replace"), record.value or None)
        except BadSubscriber:
            continue  # the worker names it, and makes it a dead letter
    return people


def write_subscriber(broker: str, prefix: str, subscriber: Subscriber) -> None:
    """Registers. Raises kafka.errors.KafkaError."""
    _write(broker, prefix, {subscriber.id: subscriber.encode()})


def ask_first(broker: str, prefix: str, form: Mapping[str, str]) -> bool:
    """Registers who filled in the board's form; nothing is sent before they agree. False, and nothing done, where the same address and
    company are there already; who has unsubscribed since is asked again. Raises BadSubscriber, kafka.errors.KafkaError.
    """
    people = read_people(broker, prefix)
    asked = subscriber_of(form, people.known.companies)
    same = next((one for one in people.everyone().values() if (one.to, one.company) == (asked.to, asked.company)), None)
    if same is not None:
        is_gone = people.wishes.get(same.id, Wish()).is_unsubscribed
        if not (same.is_confirmed and is_gone and same.id in people.registered):
            return False
    write_subscriber(broker, prefix, replace(same or asked, is_confirmed=False))
    return True


def subscriber_of(form: Mapping[str, str], companies: Iterable[str]) -> Subscriber:
    """What the board's form says. Raises BadSubscriber."""

    def word(name: str, words: Iterable[str]) -> str:
        found = form.get(name, "")
        if found not in words:
            raise BadSubscriber(f"{name} is {found[:80]!r}: choose one of the form")
        return found

    return checked(
        Subscriber(
            id=f"s-{secrets.token_hex(3)}",
            to=(f"mailto:{form.get('address', '').strip()}",),
            company=word("company", ("", *companies)),
            language=word("language", LANGUAGES),  # type: ignore[arg-type]
            severity=word("severity", SEVERITIES),  # type: ignore[arg-type]
            digest=word("digest", DIGESTS),  # type: ignore[arg-type]
            is_confirmed=False,
        )
    )


def agree(broker: str, prefix: str, subscriber: Subscriber) -> None:
    """Its address' owner wants messages, whatever they wanted before. Raises kafka.errors.KafkaError."""
    _write(broker, prefix, {subscriber.id + WISH: None, subscriber.id: with_consent(subscriber).encode()})


def write_wish(broker: str, prefix: str, name: str, wish: Wish) -> None:
    """What a subscriber asks for. Raises kafka.errors.KafkaError."""
    _write(broker, prefix, {name + WISH: wish.encode()})


def forget(broker: str, prefix: str, name: str) -> None:
    """Tombstones: compaction removes the address. Raises kafka.errors.KafkaError."""
    _write(broker, prefix, {name: None, name + WISH: None})


def _write(broker: str, prefix: str, records: dict[str, bytes | None]) -> None:
    producer = KafkaProducer(**connection_to(broker), bootstrap_timeout_ms=CONNECT_MS, acks="all")
    with closing(producer):
        sent = [producer.send(SUBSCRIBERS.full_name(prefix), key=k.encode(), value=v, partition=0) for k, v in records.items()]
        for future in sent:
            future.get(SEND_TIMEOUT_S)
