"""The document of what zonepulse is made of: valid, whole, and with the licences that the libraries say."""

import json
import re
from importlib.metadata import distributions
from pathlib import Path

import pytest
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from zonepulse.deploy.sbom import sbom

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def text() -> str:
    return JsonV1Dot6(sbom()).output_as_string()


def test_it_is_valid_cyclonedx(text: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_it_has_every_library_and_jar_that_is_pinned(text: str) -> None:
    found = {(one["name"], one["version"]) for one in json.loads(text)["components"]}
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    pinned = set(re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.M))
    jars = (ROOT / "deploy" / "kafka" / "jars.sha256").read_text("utf-8").splitlines()
    assert pinned <= found and len(pinned) > 50 and len(found) == len(pinned) + len(jars)


def test_every_installed_library_has_a_licence_and_every_jar_its_checksum(text: str) -> None:
    installed = {re.sub(r"[-_.]+", "-", found.name).lower() for found in distributions()}
    for one in json.loads(text)["components"]:
        if "purl" not in one:
            assert one["hashes"], one["name"]
        elif re.sub(r"[-_.]+", "-", one["name"]).lower() in installed:
            assert one.get("licenses"), one["name"]
