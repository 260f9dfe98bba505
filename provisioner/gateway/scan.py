#!/usr/bin/env python3
"""Has three independent scanners look at a CloudFormation template, offline, and prints what they find.

cfn-lint (AWS's own schemas of every kind), checkov, and CloudFormation Guard with AWS's Control Tower rules; further
folders of Guard rules may be given. A finding that the template itself suppresses, with a reason, is counted and not
printed. Exit code 0: nothing else was found.

    scan.py TEMPLATE [RULES...]
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / ".emulators"
CONTROL_TOWER = ROOT / "guard/rules/control-tower/cfn-guard"


def run(*command):
    # None of them may ask anybody: a proxy that is not there makes it fail loudly.
    nowhere = "http://127.0.0.1:9"
    offline = os.environ | {"HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "PYTHONWARNINGS": "ignore"}
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, env=offline, timeout=300)


def lint(path):
    done = run(ROOT / "venv/bin/cfn-lint", "--format", "json", "--include-checks", "I", "--", path)
    if done.returncode not in (0, 2, 4, 6, 8, 10, 12, 14) or (done.returncode and not done.stdout):
        sys.exit(f"cfn-lint: {done.stderr}{done.stdout}")
    for found in json.loads(done.stdout or "[]"):
        place = ".".join(map(str, found["Location"]["Path"] or []))
        yield f"{found['Rule']['Id']} {place}: {found['Message']}"


def checkov(path, template, suppressed):
    options = "--framework cloudformation --skip-download --compact --output json".split()
    done = run(ROOT / "scanners/bin/checkov", *options, "--file", path)
    try:
        result = json.loads(done.stdout)
    except ValueError:
        sys.exit(f"checkov: {done.stderr}{done.stdout}")
    results = result.get("results", {})
    if not results.get("passed_checks") or results.get("parsing_errors"):
        sys.exit(f"checkov has read nothing: {done.stdout}")
    for check in results.get("skipped_checks", []):
        suppressed.append((check["check_id"], check["resource"].split(".")[-1], check["check_result"]["suppress_comment"]))
    for check in results.get("failed_checks", []):
        yield f"{check['check_id']} {check['resource']}: {check['check_name']}"


def guard(path, rules, template, suppressed):
    options = "--output-format json --structured --show-summary none".split()
    done = run(ROOT / "guard/cfn-guard", "validate", "--rules", rules, "--data", path, *options)
    try:
        (report,) = json.loads(done.stdout)
    except ValueError:
        sys.exit(f"cfn-guard: {done.stderr}{done.stdout}")
    if not report["compliant"] and not report["not_compliant"]:
        sys.exit(f"no rule of {rules} has anything to say")
    for failed in report["not_compliant"]:
        rule = failed["Rule"]
        ids = sorted(set(re.findall(r'"path": "/Resources/(\w+)', json.dumps(rule)))) or ["?"]
        for id in ids:
            metadata = template["Resources"].get(id, {}).get("Metadata", {}).get("guard", {})
            if rule["name"] in metadata.get("SuppressedRules", []):
                suppressed.append((rule["name"], id, metadata["Reasons"][rule["name"]]))
            else:
                yield f"{rule['name']} {id}"


def main():
    path, *more = sys.argv[1:]
    # Read by what reads it in cfn-lint, so that JSON and YAML are the same here.
    sys.path[:0] = map(str, (ROOT / "venv").glob("lib/python*/site-packages"))
    from cfnlint.decode.cfn_yaml import load

    template, suppressed, findings = json.loads(json.dumps(load(path))), [], []
    for name, found in {
        "cfn-lint": lint(path),
        "checkov": checkov(path, template, suppressed),
        **{f"cfn-guard {Path(rules).name}": guard(path, rules, template, suppressed) for rules in [CONTROL_TOWER, *more]},
    }.items():
        found = [f"{name}: {line}" for line in found]
        print(*found, f"{name}: {len(found)} findings", sep="\n")
        findings += found
    unexplained = [what for what in suppressed if not what[2]]
    print(f"suppressed, with a reason: {len(suppressed)}", *[f"without a reason: {what}" for what in unexplained], sep="\n")
    return bool(findings or unexplained)


if __name__ == "__main__":
    sys.exit(main())
