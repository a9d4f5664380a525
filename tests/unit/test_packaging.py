"""The lock, the conda file and the package's own needs say the same."""

import re
import tomllib

import yaml

from flopwise.config import ROOT


def canonical(name: str) -> str:
    return re.split(r"[<>=!~\[ ;]", name)[0].lower().replace("_", "-")


def pins(lines) -> dict[str, str]:
    return {canonical(line): line.split("==")[1].strip() for line in lines if "==" in line and not line.startswith("#")}


LOCK = pins((ROOT / "requirements.lock").read_text().splitlines())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_lock_pins_every_direct_need_and_holds_no_local_versions():
    needs = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
    assert {canonical(need) for need in needs} <= set(LOCK)
    assert not [version for version in LOCK.values() if "+" in version]
    assert (LOCK["torch"], LOCK["torchvision"]) == ("2.13.0", "0.28.0")


def test_conda_users_get_the_same_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    lines = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    found = pins(lines)
    assert set(found) == {canonical(need) for need in PROJECT["dependencies"]}
    assert found == {name: LOCK[name] for name in found}


def test_no_pin_contradicts_what_the_installed_snakemake_asks_for():
    from importlib.metadata import requires

    from packaging.requirements import Requirement

    for line in requires("snakemake"):
        need = Requirement(line)
        if need.marker is None and canonical(need.name) in LOCK:
            assert need.specifier.contains(LOCK[canonical(need.name)]), line
