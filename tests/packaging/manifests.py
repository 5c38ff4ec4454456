# SPDX-License-Identifier: Apache-2.0
"""The files of packaging/, read."""

import pathlib
import re

import yaml

PACKAGING = pathlib.Path(__file__).parents[2] / "packaging"


def documents(name):
    with open(PACKAGING / "kserve" / name, encoding="utf-8") as file:
        return list(yaml.safe_load_all(file))


def all_documents():
    names = sorted(path.name for path in (PACKAGING / "kserve").glob("*.yaml"))
    return {name: documents(name) for name in names}


def pods():
    """By file: the spec of the pod that it starts, and the grace that it is stopped with."""
    (runtime,) = documents("serving_runtime.yaml")
    (service,) = documents("inference_service.yaml")
    deployment = documents("deployment.yaml")[0]
    pod = deployment["spec"]["template"]["spec"]
    grace = "terminationGracePeriodSeconds"
    return {
        "serving_runtime.yaml": (runtime["spec"], service["spec"]["predictor"][grace]),
        "deployment.yaml": (pod, pod[grace]),
    }


def flags_of(words):
    """{"--http_port": "8000"} of ["--http_port=8000"] or ["--http_port", "8000"]."""
    flags, name = {}, None
    for word in words:
        if word.startswith("--"):
            name, _, value = word.partition("=")
            flags[name] = value
        elif name is not None:
            flags[name] = word
    return flags


def words_of_unit():
    text = (PACKAGING / "tessera.service").read_text(encoding="utf-8")
    words = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)[1].split()
    return [word for word in words if not word.startswith("$")], text


def words_of_container():
    text = (PACKAGING / "Containerfile").read_text(encoding="utf-8")
    lists = re.findall(r"^(?:ENTRYPOINT|CMD) \[(.*)\]$", text, re.MULTILINE)
    return [word for one in lists for word in re.findall(r'"([^"]*)"', one)]


def packages_of_container():
    """The packages that the image that runs installs."""
    text = (PACKAGING / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    install = re.findall(r"apt-get install -y --no-install-recommends ([^&]*)", text)
    return set(install[-1].split())
