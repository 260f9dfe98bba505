#!/usr/bin/env python3
"""Has three independent scanners look at CloudFormation templates, offline, and prints what they find.

cfn-lint (AWS's own schemas of every kind), checkov, and CloudFormation Guard with AWS's Control Tower rules; more Guard
rules, files or folders, may be given. A finding that the template itself suppresses, with a reason, is counted and not
printed. The exit code is 0 if there are no other findings.

    scan.py [--rules RULES]... TEMPLATE...
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / ".emulators"
CONTROL_TOWER = ROOT / "guard/rules/control-tower/cfn-guard"


def run(*command):
    # No scanner may call anybody: with a proxy that is not there, a call fails loudly.
    nowhere = "http://127.0.0.1:9"
    offline = os.environ | {"HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=offline, timeout=600)
    try:
        return json.loads(done.stdout or "[]")
    except ValueError:
        sys.exit(f"{command[0]}: {done.stderr}{done.stdout}")


def lint(paths):
    """The findings of cfn-lint, its infos included."""
    for found in run(ROOT / "venv/bin/cfn-lint", "--format", "json", "--include-checks", "I", "--", *paths):
        place = ".".join(map(str, found["Location"]["Path"] or []))
        yield found["Filename"], f"{found['Rule']['Id']} {place}: {found['Message']}"


def checkov(paths, suppressed):
    options = "--framework cloudformation --skip-download --compact --output json --file".split()
    report = run(ROOT / "scanners/bin/checkov", *options, *paths)
    results = report["results"]
    read = {check["file_abs_path"] for check in results["passed_checks"]}
    if unread := set(map(str, paths)) - read | set(results.get("parsing_errors", [])):
        sys.exit(f"checkov has read nothing in {unread}")
    for check in results.get("skipped_checks", []):
        reason = check["check_result"]["suppress_comment"]
        suppressed.append((check["check_id"], check["resource"], reason))
    for check in results.get("failed_checks", []):
        yield check["file_abs_path"], f"{check['check_id']} {check['resource']}: {check['check_name']}"


def guard(path, template, rules, suppressed):
    options = "--output-format json --structured --show-summary none".split()
    (report,) = run(ROOT / "guard/cfn-guard", "validate", "--rules", rules, "--data", path, *options)
    if not report["compliant"]:
        sys.exit(f"no rule of {rules} is content with anything in {path}")
    for failed in report["not_compliant"]:
        rule = failed["Rule"]["name"]
        for id in sorted(set(re.findall(r'"path": "/Resources/(\w+)', json.dumps(failed)))) or ["?"]:
            metadata = template["Resources"].get(id, {}).get("Metadata", {}).get("guard", {})
            if rule in metadata.get("SuppressedRules", []):
                suppressed.append((rule, id, metadata["Reasons"].get(rule)))
            else:
                yield path, f"{rule} {id}"


def main():
    parser = argparse.ArgumentParser(description="Has three scanners look at CloudFormation templates, offline.")
    parser.add_argument("templates", nargs="+", type=Path)
    parser.add_argument("--rules", action="append", default=[], type=Path, help="more rules for CloudFormation Guard")
    options = parser.parse_args()
    sys.path[:0] = map(str, (ROOT / "venv").glob("lib/python*/site-packages"))
    from cfnlint.decode.cfn_yaml import load

    paths, suppressed = [path.resolve() for path in options.templates], []
    findings = {"cfn-lint": list(lint(paths)), "checkov": list(checkov(paths, suppressed))}
    for rules in [CONTROL_TOWER, *options.rules]:
        of = findings.setdefault(f"cfn-guard {rules.name}", [])
        for path in paths:
            of += guard(path, json.loads(json.dumps(load(str(path)))), rules, suppressed)
    for scanner, found in findings.items():
        print(*[f"{scanner}: {Path(path).name}: {what}" for path, what in found], sep="\n", end="\n" * bool(found))
        print(f"{scanner}: {len(found)} findings")
    unexplained = [what for what in suppressed if not what[2]]
    print(f"suppressed with a reason: {len(suppressed) - len(unexplained)}", *unexplained, sep="\n")
    return bool(unexplained or any(findings.values()))


if __name__ == "__main__":
    sys.exit(main())
