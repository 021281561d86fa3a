"""Look-ups in a registry, worked out once: meter versions by id and time, and whose a meter is."""

from collections import defaultdict

from zonepulse.schemas.registry.model import Company, Gateway, MeterVersion, Registry, Site


class RegistryIndex:
    """The entities of one registry by id. Immutable."""

    def __init__(self, registry: Registry) -> None:
        self.companies: dict[str, Company] = {c.id: c for c in registry.companies}
        self.sites: dict[str, Site] = {s.id: s for s in registry.sites}
        self.gateways: dict[str, Gateway] = {g.id: g for g in registry.gateways}
        versions: dict[str, list[MeterVersion]] = defaultdict(list)
        for version in sorted(registry.meters, key=lambda m: m.valid_from_ms):
            versions[version.id].append(version)
        self._versions = {meter: tuple(found) for meter, found in versions.items()}

    def versions(self, meter: str) -> tuple[MeterVersion, ...]:
        """Every validity of a meter in order of time; empty for an unknown meter."""
        return self._versions.get(meter, ())

    def version_at(self, meter: str, at_ms: int) -> MeterVersion | None:
        """The version that is valid at an instant."""
        return next((v for v in self.versions(meter) if v.valid_from_ms <= at_ms < v.valid_to_ms), None)

    def site_of(self, version: MeterVersion) -> Site:
        """The site of a meter version. KeyError: the registry was not validated."""
        return self.sites[version.site]

    def company_of(self, version: MeterVersion) -> str:
        """The company's id; '' for the zone's own."""
        return self.sites[version.site].company

    def node_of(self, version: MeterVersion) -> str:
        """The network node; '' where none is given."""
        return self.sites[version.site].node
