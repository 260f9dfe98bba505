#!/usr/bin/env python3
"""Checks what the gateway has recorded (`--record FILE`) against AWS's own API models, as botocore ships them.

Emulators accept much that AWS refuses. This rebuilds the input of every recorded request from its wire form and checks it
as the models say: names, required members, types, enums, lengths, ranges, patterns. It also computes every signature again.
"""

import argparse
import base64
import hashlib
import json
import re
import struct
import sys
import warnings
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, unquote

# The models that install.sh pins, whichever Python runs this: botocore is pure Python.
VENV = Path(__file__).resolve().parents[2] / ".emulators/venv"
sys.path[:0] = map(str, VENV.glob("lib/python*/site-packages"))

from botocore.auth import S3SigV4Auth, SigV4Auth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402
from botocore.exceptions import UnknownServiceError  # noqa: E402
from botocore.loaders import Loader  # noqa: E402
from botocore.model import OperationNotFoundError, ServiceModel  # noqa: E402

# Signing names that are not botocore's folder names, as in src/request.rs: recordings have the folder names already.
FOLDERS = {
    "elasticloadbalancing": "elbv2",
    "es": "opensearch",
    "monitoring": "cloudwatch",
    "tagging": "resourcegroupstaggingapi",
}
# Of values, as they are after `from_json`, `from_form` or `from_text`.
TYPES = {
    **dict.fromkeys(("string", "character"), str),
    **dict.fromkeys(("integer", "long"), int),
    **dict.fromkeys(("float", "double"), (int, float)),
    **dict.fromkeys(("structure", "map"), dict),
    **{"boolean": bool, "timestamp": datetime, "blob": bytes, "list": list},
}
LARGEST = {"integer": 2**31 - 1, "long": 2**63 - 1}


@cache
def model(service):
    return ServiceModel(Loader().load_service_model(FOLDERS.get(service, service), "service-2"), service)


def brief(value):
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."


# From the wire: structures become dicts with the members' names in the model, which often are not those on the wire. A
# name that is not in the model gets a `?` in front, since it may be some other member's name in the model. A value that is
# not of its type stays as it is, for `check` to find.


def from_json(shape, value):
    """Also for CBOR, which leaves no blobs and timestamps to convert."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict) and not shape.is_document_type:
        named = [(n, m) for n, m in shape.members.items() if not m.serialization.get("location")]
        return rename(value, {m.serialization.get("name", n): (n, m) for n, m in named}, from_json)
    if kind == "list" and isinstance(value, list):
        return [from_json(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {key: from_json(shape.value, content) for key, content in value.items()}
    if kind == "timestamp" and isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, timezone.utc)
    return from_text(shape, value) if kind in ("timestamp", "blob") else value


def from_text(shape, text, moment="iso8601"):
    """Of a value in a form, a path, a query string or a header."""
    try:
        match shape.type_name:
            case "integer" | "long":
                return int(text)
            case "float" | "double":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}[text]
            case "blob":
                return base64.b64decode(text, validate=True)
            case "timestamp":
                match shape.serialization.get("timestampFormat", moment):
                    case "iso8601":
                        return datetime.fromisoformat(text)
                    case "rfc822":
                        return parsedate_to_datetime(text)
                    case _:
                        return datetime.fromtimestamp(float(text), timezone.utc)
    except (KeyError, TypeError, ValueError):
        pass
    return text


def from_form(shape, node, ec2):
    """Of a tree of dotted names. Lists and maps are numbered, below one more name where they are not flat."""
    kind = shape.type_name
    if kind == "structure" and isinstance(node, dict):
        wanted = {wire: (n, m) for n, m in shape.members.items() for wire in form_names(n, m, ec2)}
        return rename(node, wanted, lambda member, child: from_form(member, child, ec2))
    if kind not in ("list", "map"):
        return from_text(shape, node)
    if node == "":
        return TYPES[kind]()
    try:
        if not ec2 and not shape.serialization.get("flattened"):
            wrapper = "entry" if kind == "map" else shape.member.serialization.get("name", "member")
            (node,) = [child if name == wrapper else None for name, child in node.items()]
        items = [node[str(n)] for n in range(1, len(node) + 1)]
        if kind == "list":
            return [from_form(shape.member, item, ec2) for item in items]
        key, content = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
        return {item[key]: from_form(shape.value, item[content], ec2) for item in items}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError(f"{brief(node)} is not how a form says a {kind} {shape.name}") from None


def form_names(name, shape, ec2):
    own = shape.serialization.get("name", name)
    if ec2:
        return {shape.serialization.get("queryName", own[0].upper() + own[1:])}
    if shape.type_name == "list" and shape.serialization.get("flattened"):
        # botocore renames a flat list after its items, Smithy does not.
        return {own, shape.member.serialization.get("name", own)}
    return {own}


def rename(values, wanted, convert):
    known = {wanted[wire][0]: convert(wanted[wire][1], value) for wire, value in values.items() if wire in wanted}
    return known | {"?" + wire: value for wire, value in values.items() if wire not in wanted}


def form_tree(text):
    root = {}
    for name, value in parse_qsl(text, keep_blank_values=True, strict_parsing=True):
        *above, last = name.split(".")
        node = root
        for part in above:
            node = node.setdefault(part, {})
        if not isinstance(node, dict) or last in node:
            raise ValueError(f"{name} contradicts what is before it")
        node[last] = value
    return root


def from_cbor(data):
    stop = object()
    at = 0

    def take(n):
        nonlocal at
        at += n
        if at > len(data):
            raise ValueError("the CBOR body ends early")
        return data[at - n : at]

    def read():
        major, small = divmod(take(1)[0], 32)
        if major == 7 and small in (25, 26, 27):
            return struct.unpack(">" + "efd"[small - 25], take(2 ** (small - 24)))[0]
        if major == 7:
            return {20: False, 21: True, 22: None, 23: None, 31: stop}[small]
        if small == 31:
            # Without a length: up to a stop, strings in pieces.
            parts = list(iter(read, stop))
            return {2: b"".join, 3: "".join, 4: list, 5: pairs}[major](parts)
        n = small if small < 24 else int.from_bytes(take({24: 1, 25: 2, 26: 4, 27: 8}[small]))
        match major:
            case 0 | 1:
                return -1 - n if major else n
            case 2 | 3:
                return take(n).decode() if major == 3 else take(n)
            case 4 | 5:
                parts = [read() for _ in range(n * (major - 3))]
                return pairs(parts) if major == 5 else parts
        moment = read()
        return datetime.fromtimestamp(moment, timezone.utc) if n == 1 else moment

    def pairs(parts):
        return dict(zip(parts[::2], parts[1::2], strict=True))

    value = read()
    if at != len(data):
        raise ValueError("the CBOR body goes on after its end")
    return value


@cache
def compiled(pattern):
    """None for a dialect that Python does not speak, such as \\p{L} or [[:alpha:]]."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return re.compile(pattern)
        except (re.error, Warning):
            return None


def check(shape, value, path, report):
    """What the model says against a value."""
    kind, meta = shape.type_name, shape.metadata
    if kind == "structure" and shape.is_document_type:
        return
    if not isinstance(value, TYPES[kind]) or isinstance(value, bool) != (kind == "boolean"):
        return report(path, f"{brief(value)} is no {kind}")
    if kind == "structure":
        for name, content in value.items():
            if name in shape.members:
                check(shape.members[name], content, f"{path}.{name}".lstrip("."), report)
            else:
                report(path, f"unknown member {name[1:]}")
        for name in set(shape.required_members) - set(value):
            report(path, f"missing member {name}")
        if shape.is_tagged_union and len(value) != 1:
            report(path, f"a union with {len(value)} members")
    elif kind == "list":
        for n, item in enumerate(value):
            check(shape.member, item, f"{path}[{n}]", report)
    elif kind == "map":
        for key, content in value.items():
            check(shape.key, key, f"{path} key", report)
            check(shape.value, content, f"{path}[{key!r}]", report)
    elif kind == "string":
        if shape.enum and value not in shape.enum:
            report(path, f"{brief(value)} is none of {', '.join(shape.enum)}")
        if "pattern" in meta and (pattern := compiled(meta["pattern"])) and not pattern.fullmatch(value):
            report(path, f"{brief(value)} does not match {meta['pattern']}")
    size = value if isinstance(value, (int, float)) else len(value) if hasattr(value, "__len__") else 0
    unit = {"string": " characters", "blob": " bytes", "list": " items", "map": " entries"}.get(kind, "")
    if size < meta.get("min", size):
        report(path, f"{size}{unit}, at least {meta['min']}")
    if size > meta.get("max", LARGEST.get(kind, size)):
        report(path, f"{size}{unit}, at most {meta.get('max', LARGEST.get(kind))}")


def check_input(service, line, headers, body, report):
    """Reads the input in the protocol that the request speaks, which is one of the several of some services."""
    meta, name = service.metadata, line["action"]
    path, _, query = line["target"].partition("?")
    content = headers.get("content-type", "").split(";")[0]
    if meta["protocol"] == "rest-json":
        return check_rest(service, line, path, query, headers, body, report)
    try:
        shape = service.operation_model(name).input_shape
    except OperationNotFoundError:
        return report("", "no such operation")
    if path.startswith("/service/"):
        protocol, value = "smithy-rpc-v2-cbor", from_cbor(body) if body else {}
        where = path, f"/service/{meta['targetPrefix']}/operation/{name}"
        same(report, "smithy-protocol", headers.get("smithy-protocol"), "rpc-v2-cbor")
        same(report, "content-type", content, "application/cbor" if shape else "")
    elif "x-amz-target" in headers:
        protocol, value = "json", json.loads(body)
        where = headers["x-amz-target"], f"{meta['targetPrefix']}.{name}"
        same(report, "content-type", content, f"application/x-amz-json-{meta['jsonVersion']}")
    else:
        protocol, value = "ec2" if meta["protocol"] == "ec2" else "query", form_tree(body.decode())
        where = (value.pop("Action", None), value.pop("Version", None)), (name, meta["apiVersion"])
        same(report, "content-type", content, "application/x-www-form-urlencoded")
    same(report, "operation", *where)
    same(report, "method", line["method"], "POST")
    if protocol not in meta.get("protocols", [meta["protocol"]]):
        report("", f"the service does not speak {protocol}")
    if shape:
        form = protocol in ("ec2", "query")
        check(shape, from_form(shape, value, protocol == "ec2") if form else from_json(shape, value), "", report)
    elif value:
        report("", f"{brief(value)} for an operation without input")


def same(report, what, have, want):
    if have != want:
        report("", f"{what} {have!r} instead of {want!r}")


@cache
def template(uri):
    """A path in the model as a pattern. AWS does not mind a last slash more or less."""
    parts = re.split(r"(\{\w+\+?\})", uri.partition("?")[0].rstrip("/"))
    text = "".join("(.+)" if p.endswith("+}") else "([^/]+)" if p.startswith("{") else re.escape(p) for p in parts)
    return re.compile(text + "/?")


def check_rest(service, line, path, query, headers, body, report):
    operations = [o for o in map(service.operation_model, service.operation_names) if o.http["method"] == line["method"]]
    found = [(fits, o) for o in operations if (fits := template(o.http["requestUri"]).fullmatch(path))]
    if not found:
        return report("", f"no operation at {line['method']} {path}")
    # The most literal path wins.
    fits, operation = min(found, key=lambda each: sum(map(len, each[0].groups())))
    uri, shape = operation.http["requestUri"], operation.input_shape
    # The gateway's own list has those operations that it needs.
    same(report, "operation", line["action"], operation.name) if line["action"] != "Unknown" else None
    labels = dict(zip(re.findall(r"\{(\w+)\+?\}", uri), map(unquote, fits.groups())))
    fixed = parse_qsl(uri.partition("?")[2], keep_blank_values=True)
    given = parse_qs(query, keep_blank_values=True)
    given = {name: values for name, values in given.items() if (name, values[0]) not in fixed}
    members = shape.members if shape else {}
    payload = shape.serialization.get("payload") if shape else None
    value = {}
    if payload and body:
        plain = TYPES[members[payload].type_name] in (str, bytes)
        value[payload] = body if plain else from_json(members[payload], json.loads(body))
    elif body and (content := json.loads(body)):
        same(report, "content-type", headers.get("content-type"), "application/json")
        value = from_json(shape, content) if shape else {"?body": content}
    for name, member in members.items():
        wire = member.serialization.get("name", name)
        match member.serialization.get("location"):
            case "uri" if wire in labels:
                value[name] = from_text(member, labels[wire])
            case "querystring" if texts := given.pop(wire, None):
                many = member.type_name == "list"
                value[name] = [from_text(member.member, text) for text in texts] if many else from_text(member, *texts)
            case "header" if wire.lower() in headers:
                value[name] = from_text(member, headers[wire.lower()], "rfc822")
    value |= {"?" + name: text for name, text in given.items()}
    check(shape, value, "", report) if shape else value and report("", f"{brief(value)} for an operation without input")


def check_signature(service, line, headers, body, secret, report):
    authorization = headers.get("authorization", "")
    scheme = r"AWS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8}/([^/]+)/([^/]+)/aws4_request), ?SignedHeaders=(\S+), ?Signature=(\w+)"
    match = re.fullmatch(scheme, authorization)
    if not match:
        return report("", f"Authorization {brief(authorization)} is no signature of version 4")
    key, scope, region, name, signed, signature = match.groups()
    same(report, "signed for", name, service.signing_name)
    signed = signed.split(";")
    for must in ("host", *(header for header in headers if header.startswith("x-amz-"))):
        if must not in signed:
            report("", f"header {must} is not signed")
    digest = headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    if digest != "UNSIGNED-PAYLOAD":
        same(report, "x-amz-content-sha256", digest, hashlib.sha256(body).hexdigest())
    request = AWSRequest(line["method"], f"http://{headers.get('host')}{line['target']}", data=body)
    for header, value in line["headers"]:
        if header.lower() in signed:
            request.headers.add_header(header, value)
    # The steps of `add_auth`, which would sign for now.
    request.context["timestamp"] = headers.get("x-amz-date", "")
    auth = (S3SigV4Auth if name == "s3" else SigV4Auth)(Credentials(key, secret), name, region)
    same(report, "scope", scope, auth.credential_scope(request))
    computed = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    same(report, "signature", signature, computed)


def check_line(line, options, report):
    headers = {name.lower(): value for name, value in line["headers"]}
    # The container registry has a protocol of its own.
    if not line["service"] and line["target"].startswith("/v2/"):
        return
    try:
        service, body = model(line["service"]), base64.b64decode(line["body_b64"])
    except UnknownServiceError:
        return report("", "no such service")
    try:
        check_input(service, line, headers, body, report)
    except (AttributeError, KeyError, TypeError, ValueError) as why:
        report("", f"cannot be read: {why}")
    if not options.skip_signatures:
        check_signature(service, line, headers, body, options.secret, report)


def main():
    parser = argparse.ArgumentParser(description="Checks recorded requests against AWS's own API models.")
    parser.add_argument("file", type=argparse.FileType(), help="what the gateway has written for --record")
    parser.add_argument("--skip-signatures", action="store_true")
    parser.add_argument("--secret", default="test", help="the secret access key of all requests (default: test)")
    options = parser.parse_args()
    requests, problems = 0, []
    for requests, line in enumerate(map(json.loads, options.file), 1):
        prefix = f"line {requests}: {line['service']}.{line['action']}"
        check_line(line, options, lambda path, what: problems.append(": ".join(filter(None, (prefix, path, what)))))
    print(*problems, f"{requests} requests, {len(problems)} problems", sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
