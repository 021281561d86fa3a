"""Who is told: the registry's subscribers and the self-registered ones, with what each asked for. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from zonepulse.schemas.registry.model import Registry
from zonepulse.schemas.registry.subscribers import (
    SUBSCRIBERS,
    WISH,
    BadSubscriber,
    Subscriber,
    Wish,
    of_plain,
    parse_subscriber,
    parse_wish,
)
from zonepulse.streams.notify.routing.facts import Directory, directory


@dataclass(slots=True)
class People:
    """All subscribers. An id of the registry hides a self-registered one of the same id."""

    known: Directory = field(default_factory=Directory)
    of_registry: dict[str, Subscriber] = field(default_factory=dict)
    registered: dict[str, Subscriber] = field(default_factory=dict)
    wishes: dict[str, Wish] = field(default_factory=dict)

    def use(self, registry: Registry) -> list[str]:
        """The newest version of the registry; what is wrong with subscribers of it that cannot be used."""
        wrong = []
        self.known = directory(registry)
        self.of_registry = {}
        for plain in registry.extra.get(SUBSCRIBERS.name, []):
            try:
                one = of_plain(plain)
                self.of_registry[one.id] = one
            except BadSubscriber as bad:
                wrong.append(f"a subscriber of registry version {registry.version} cannot be used: {bad}")
        return wrong

    def put(self, key: str, value: bytes | None) -> str:
        """A record of `zp.subscribers`; whose it is. Raises BadSubscriber."""
        name = key.removesuffix(WISH)
        if key.endswith(WISH):
            if value is None:
                self.wishes.pop(name, None)
            else:
                self.wishes[name] = parse_wish(value)
        elif value is None:
            self.registered.pop(key, None)
        else:
            subscriber = parse_subscriber(value)
            if subscriber.id != key:
                raise BadSubscriber(f"key {key[:80]!r} is not the subscriber's id {subscriber.id!r}")
            self.registered[key] = subscriber
        return name

    def everyone(self) -> Mapping[str, Subscriber]:
        """By id."""
        return self.registered | self.of_registry

    def listening(self) -> Iterable[Subscriber]:
        """Those to whom alerts are routed."""
        wishes = self.wishes
        return [s for s in self.everyone().values() if s.is_confirmed and not (s.id in wishes and wishes[s.id].is_unsubscribed)]
