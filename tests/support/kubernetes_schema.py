#!/usr/bin/python3
# kubernetes_schema.py - makes tests/schemas/kubernetes-*.json: the shapes of what deploy/kubernetes holds.
# SPDX-License-Identifier: Apache-2.0
#
#   pip download --no-deps kubernetes-validate==1.37.0
#   tests/support/kubernetes_schema.py kubernetes_validate-1.37.0-py3-none-any.whl 1.25.0 1.37.0
#
# The package carries the OpenAPI definitions of Kubernetes (Apache License 2.0) as JSON Schema, strict: an
# unknown field is an error. Taken are the kinds that we ship, all that they refer to, and no descriptions.
import json
import re
import sys
import zipfile
from pathlib import Path

KINDS = {"io.k8s.api.apps.v1.StatefulSet", "io.k8s.api.batch.v1.CronJob", "io.k8s.api.core.v1.Service",
         "io.k8s.api.policy.v1.PodDisruptionBudget"}
OUT = Path(__file__).resolve().parents[1] / "schemas"


def bare(schema):
    """Without what only people read, and with references inside one file."""
    if isinstance(schema, list):
        return [bare(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    out = {}
    for key, value in schema.items():
        if key == "description" and isinstance(value, str) or key.startswith("x-kubernetes"):
            continue
        if key == "properties":
            out[key] = {name: bare(s) for name, s in value.items()}
        elif key == "$ref":
            out[key] = "#/definitions/" + value.split("/")[-1]
        else:
            out[key] = bare(value)
    return out


def main(wheel, *versions):
    with zipfile.ZipFile(wheel) as package:
        for version in versions:
            name = f"kubernetes_validate/kubernetes-json-schema/v{version}-local-strict/_definitions.json"
            everything = json.loads(package.read(name))["$defs"]
            wanted, kept = list(KINDS), {}
            while wanted:
                kind = wanted.pop()
                if kind not in kept:
                    kept[kind] = bare(everything[kind])
                    wanted += re.findall(r'"#/definitions/([^"]+)"', json.dumps(kept[kind]))
            file = OUT / f"kubernetes-{version.rsplit('.', 1)[0]}.json"
            file.write_text(json.dumps({"definitions": kept}, sort_keys=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
