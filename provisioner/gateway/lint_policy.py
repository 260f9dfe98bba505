#!/usr/bin/env python3
"""Checks the output of `provision policy` with parliament, an independent linter of IAM policies.

usage: lint_policy.py FILE...    each holds the whole JSON that `provision policy` printed, with --plan or --adopt or without

Every action has to exist, every resource has to fit the action, and no `*` is used where AWS takes less.
"""

import json
import sys

from parliament import analyze_policy_string, enhance_finding

MOST_CHARACTERS = 6144


def problems(printed):
    boundary = printed.get("permissions_boundary")
    documents = printed["policies"] + [boundary] * bool(boundary)
    for number, document in enumerate(documents, start=1):
        text = json.dumps(document, separators=(",", ":"))
        if len(text) > MOST_CHARACTERS:
            yield f"document {number} has {len(text)} characters"
        for finding in analyze_policy_string(text).findings:
            finding = enhance_finding(finding)
            yield f"document {number}: {finding.severity} {finding.issue} {finding.detail}"


def main():
    found = [f"{name}: {problem}" for name in sys.argv[1:] for problem in problems(json.load(open(name)))]
    print("\n".join(found) or "no findings")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
