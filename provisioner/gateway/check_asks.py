#!/usr/bin/env python3
"""Checks what the gateway takes for IAM's questions (`--record FILE`, field `asks`) against AWS's Service Authorization Reference.

Reads the reference as parliament ships it. Every action has to exist, every resource has to be of a type that the action takes, and
each type that the reference requires has to be asked about.
"""

import argparse
import json
import re
import sys
from fnmatch import fnmatchcase
from pathlib import Path

LINTER = Path(__file__).resolve().parents[2] / ".emulators/linter"
# Types that the reference requires, and that are only one of several, or that come along with another resource.
NOT_ASKED = {
    "elasticloadbalancing": {"listener/net", "listener-rule/net"},
    # Only resources under the newer name of the service have these.
    "es": {"application", "datasource"},
    # A policy is that of a table or of a stream.
    "dynamodb:DeleteResourcePolicy": {"stream", "table"},
    "dynamodb:GetResourcePolicy": {"stream", "table"},
    # A replica has the groups of its primary.
    "rds:CreateDBInstanceReadReplica": {"cluster", "pg", "subgrp"},
}
# PutDashboard takes tags. The reference of parliament is older. It knows the tags of a REST API alone, which are put by PUT;
# those of an HTTP API are put by POST (API Gateway V2 API reference, `/v2/tags/{resource-arn}`).
NEWER = {("cloudwatch:TagResource", "dashboard"), ("apigateway:POST", "/tags")}


def reference():
    """Every form of every action: a list of its types, each with the pattern of its ARNs and whether it is required."""
    file = next(LINTER.glob("lib/python*/site-packages/parliament/iam_definition.json"))
    actions = {}
    for service in json.loads(file.read_text()):
        arns = {resource["resource"]: re.sub(r"\$\{\w+\}", "*", resource["arn"]) for resource in service["resources"]}
        for privilege in service["privileges"]:
            types = [each["resource_type"] for each in privilege["resource_types"] if each["resource_type"]]
            form = [(name.rstrip("*"), arns.get(name.rstrip("*"), "?"), name.endswith("*")) for name in types]
            actions.setdefault(f"{service['prefix']}:{privilege['privilege']}", []).append(form)
    return actions


def problems(action, resources, form):
    """What does not fit one form of the action."""
    excused = NOT_ASKED.get(action, set()) | NOT_ASKED.get(action.split(":")[0], set())
    if not form and resources != {"*"}:
        yield f"takes no resource, and was asked about {resources}"
    for name, arn, required in form:
        if required and name not in excused and not any(fits(resource, arn) for resource in resources):
            yield f"was not asked about any {name}, only {resources}"
    for resource in resources - {"*"}:
        newer = any(action == one and f":{kind}/" in resource for one, kind in NEWER)
        if form and not newer and not any(fits(resource, arn) for _, arn, _ in form):
            yield f"knows no resource such as {resource}"


def fits(resource, arn):
    # A list is about everything of a type, with `*` for the name.
    return fnmatchcase(resource.replace("*", "x"), arn)


def main():
    parser = argparse.ArgumentParser(description="Checks IAM's questions against the Service Authorization Reference.")
    parser.add_argument("file", type=argparse.FileType(encoding="utf-8"), help="what --record has written")
    asked, actions, found = {}, reference(), []
    for line in map(json.loads, parser.parse_args().file):
        by_action = {}
        for action, resource in line.get("asks") or []:
            by_action.setdefault(action, set()).add(resource)
        for action, resources in by_action.items():
            asked.setdefault(action, set()).add(frozenset(resources))
    for action, each in sorted(asked.items()):
        for resources in each:
            said = [list(problems(action, set(resources), form)) for form in actions.get(action, [])]
            if not said:
                found.append(f"{action} does not exist")
            elif all(said):
                found.append(f"{action} {said[-1][0]}")
    print(*found, f"{len(asked)} actions, {len(found)} problems", sep="\n")
    return bool(found) or len(asked) < 20


if __name__ == "__main__":
    sys.exit(main())
