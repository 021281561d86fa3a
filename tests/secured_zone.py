"""A secured zone under test: its stack, its users, and the sample on its way."""

from dataclasses import dataclass
from pathlib import Path

from clickhouse_connect.driver.client import Client

from zonepulse.streams.demo.run import Feed
from zonepulse.streams.demo.sample import Sample
from zonepulse.streams.embedded.kafka.secured import Secured
from zonepulse.streams.embedded.zone_stack import ZoneStack

REAUTH_S = 10
"""The broker cuts every connection that is older and has not authenticated anew."""

TOKENS = """sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,OAUTHBEARER
listener.name.sasl_ssl.oauthbearer.sasl.jaas.config=\
org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
listener.name.sasl_ssl.oauthbearer.sasl.server.callback.handler.class=\
org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler
"""
"""The broker takes tokens too, unsigned ones: no identity provider runs here. `sub` is the user."""


@dataclass(slots=True)
class Zone:
    """The stack, its security and the sample on its way, sent as a gateway."""

    stack: ZoneStack
    security: Secured
    client: Client
    zone_yaml: str
    sample: Sample
    feed: Feed
    archive: Path

    def logs(self) -> dict[str, str]:
        return {log.stem: log.read_text("utf-8", "replace") for log in sorted((self.stack.folder / "logs").glob("*.log"))}
