"""What zonepulse is made of, as a CycloneDX document: the Python libraries of requirements.lock with their licences, as the installed ones
say them, and the jars of the embedded Kafka with their checksums. Development's libraries are not in it. `make sbom`.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata, version
from pathlib import Path
from typing import Final

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

ROOT: Final = Path(__file__).parents[1]
_PINNED: Final = re.compile(r"^([\w.-]+)==([^\s;\\]+)", re.M)
_JAR: Final = re.compile(r"^([0-9a-f]{64})  (.+?)-(\d[\w.-]*)\.jar$", re.M)
_LONGEST: Final = 100
"""A `License` of more characters is the licence's text, not its name."""
_UNNAMED: Final = ("", "UNKNOWN", "Dual License")


def sbom() -> Bom:
    """Of these sources. What the lock names and is not installed here (for another system or Python) has no licence in it."""
    found = Bom()
    found.metadata.component = Component(
        name="zonepulse",
        version=version("zonepulse"),
        type=ComponentType.APPLICATION,
        bom_ref="zonepulse",
        licenses=_named("Apache-2.0"),
    )
    found.components.update(_libraries((ROOT / "requirements.lock").read_text("utf-8")))
    found.components.update(_jars((ROOT / "deploy" / "kafka" / "jars.sha256").read_text("utf-8")))
    found.register_dependency(found.metadata.component, found.components)
    return found


def _libraries(lock: str) -> Iterator[Component]:
    for name, pinned in _PINNED.findall(lock):
        purl = PackageURL("pypi", name=name, version=pinned)
        yield Component(name=name, version=pinned, purl=purl, bom_ref=str(purl), licenses=licences(name))


def _jars(checksums: str) -> Iterator[Component]:
    for digest, name, pinned in _JAR.findall(checksums):
        hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest)]
        yield Component(name=name, version=pinned, bom_ref=f"{name}-{pinned}.jar", hashes=hashes)


def licences(name: str) -> list[LicenseExpression | DisjunctiveLicense]:
    """Of an installed library: its expression, else its licence's name, else its classifiers; none where it says nothing."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return []
    for text in (*(said.get_all("License-Expression") or ()), *(said.get_all("License") or ())):
        if text.strip() not in _UNNAMED and len(text) < _LONGEST:
            return _named(text.strip())
    return [one for text in _classified(said) for one in _named(text)]


def _classified(said: PackageMetadata) -> Iterator[str]:
    for text in said.get_all("Classifier") or ():
        kind, _, name = text.rpartition(" :: ")
        if kind.startswith("License"):
            yield name


def _named(text: str) -> list[LicenseExpression | DisjunctiveLicense]:
    return [LicenseFactory().make_from_string(text)]


if __name__ == "__main__":
    sys.stdout.write(JsonV1Dot6(sbom()).output_as_string(indent=2) + "\n")
