#!/usr/bin/env python3
"""Checks the requests that the gateway has recorded (`--record FILE`) against AWS's own API models, as botocore ships them.

Rebuilds the input of every recorded request from its wire form and checks it as the models say: names, required
members, types, enums, lengths, ranges, patterns. Computes every signature again. It cannot read rest-xml.
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
from functools import cache, partial
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, unquote

# The models that install.sh pins, whichever Python runs this: botocore is pure Python.
VENV = Path(__file__).resolve().parents[2] / ".emulators/venv"
sys.path[:0] = map(str, VENV.glob("lib/python*/site-packages"))

from botocore.auth import SigV4Auth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402
from botocore.exceptions import UnknownServiceError  # noqa: E402
from botocore.loaders import Loader  # noqa: E402
from botocore.model import OperationNotFoundError, ServiceModel, StructureShape  # noqa: E402

# Signing names that are not botocore's folder names, as in src/request.rs: recordings have the folder names already.
FOLDERS = {"elasticloadbalancing": "elbv2", "es": "opensearch", "monitoring": "cloudwatch", "servicequotas": "service-quotas"}
FOLDERS["tagging"] = "resourcegroupstaggingapi"
# The Python types of values after `from_json`, `from_form` or `from_text`.
TYPES = {
    **{"string": str, "character": str, "integer": int, "long": int, "float": (int, float), "double": (int, float)},
    **{"boolean": bool, "timestamp": datetime, "blob": bytes, "list": list, "map": dict, "structure": dict},
}
# The conversions from text to the types above.
READ = {
    **{"integer": int, "long": int, "float": float, "double": float, "blob": partial(base64.b64decode, validate=True)},
    **{"boolean": {"true": True, "false": False}.__getitem__, "iso8601": datetime.fromisoformat},
    **{"rfc822": parsedate_to_datetime, "unixTimestamp": lambda s: datetime.fromtimestamp(float(s), timezone.utc)},
}
LARGEST = {"integer": 2**31 - 1, "long": 2**63 - 1}
NO_INPUT = StructureShape("NoInput", {"type": "structure", "members": {}})


@cache
def model(service):
    return ServiceModel(Loader().load_service_model(FOLDERS.get(service, service), "service-2"), service)


def brief(value):
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."


# From the wire: structures become dicts with the members' names in the model, which often are not those on the wire. A
# name that is not known on the wire gets a `?` in front, since in the model it may be a member's. A value of another
# type stays as it is, for `check` to find.
def from_json(shape, value):
    """Converts a value from JSON or CBOR. CBOR leaves no blobs and timestamps to convert."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict) and not shape.is_document_type:
        named = [(n, m) for n, m in shape.members.items() if not m.serialization.get("location")]
        return rename(value, {m.serialization.get("name", n): (n, m) for n, m in named}, from_json)
    if kind == "list" and isinstance(value, list):
        return [from_json(shape.member, item) for item in value]
    if kind == "map" and isinstance(value, dict):
        return {key: from_json(shape.value, content) for key, content in value.items()}
    raw = kind in ("timestamp", "blob") and not isinstance(value, (bytes, datetime))
    return from_text(shape, value, "unixTimestamp") if raw else value


def from_text(shape, text, moment="iso8601"):
    """Converts a value of a form, a path, a query string or a header. Strings need no conversion."""
    kind = shape.type_name
    try:
        return READ[shape.serialization.get("timestampFormat", moment) if kind == "timestamp" else kind](text)
    except (KeyError, TypeError, ValueError):
        return text


def from_form(shape, node, ec2):
    """Converts a tree of dotted names. Lists and maps are numbered; if they are not flat, there is one more name above."""
    kind = shape.type_name
    if kind == "structure" and isinstance(node, dict):
        wanted = {wire: (n, m) for n, m in shape.members.items() for wire in form_names(n, m, ec2)}
        return rename(node, wanted, partial(from_form, ec2=ec2))
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
    # botocore renames a flat list after its items, Smithy does not.
    flat = shape.type_name == "list" and shape.serialization.get("flattened")
    return {own, shape.member.serialization.get("name", own)} if flat else {own}


def rename(values, wanted, convert):
    known = {wanted[wire][0]: convert(wanted[wire][1], value) for wire, value in values.items() if wire in wanted}
    return known | {"?" + wire: value for wire, value in values.items() if wire not in wanted}


def form_tree(text):
    root = {}
    for name, value in parse_qsl(text, keep_blank_values=True, strict_parsing=True):
        (*above, last), node = name.split("."), root
        for part in above:
            node = node.setdefault(part, {})
        if not isinstance(node, dict) or last in node:
            raise ValueError(f"{name} contradicts what is before it")
        node[last] = value
    return root


def from_cbor(data):
    at, stop = 0, object()

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
            # The item has no length. It goes up to a stop, and strings come in pieces.
            parts = list(iter(read, stop))
            return {2: b"".join, 3: "".join, 4: list, 5: pairs}[major](parts)
        n = small if small < 24 else int.from_bytes(take(2 ** (small - 24)), "big")
        if major < 2:
            return -1 - n if major else n
        if major < 4:
            return take(n).decode() if major == 3 else take(n)
        if major < 6:
            parts = [read() for _ in range(n * (major - 3))]
            return pairs(parts) if major == 5 else parts
        return READ["unixTimestamp"](read()) if n == 1 else read()

    def pairs(parts):
        return dict(zip(parts[::2], parts[1::2], strict=True))

    value = read()
    if at != len(data):
        raise ValueError("the CBOR body goes on after its end")
    return value


@cache
def compiled(pattern):
    """The pattern, or None for a dialect that Python does not know, such as \\p{L} or [[:alpha:]]."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return re.compile(pattern)
        except (re.error, Warning):
            return None


def check(shape, value, path, report):
    """Reports everything in a value that the model does not allow."""
    kind, meta = shape.type_name, shape.metadata
    if kind == "structure" and shape.is_document_type:
        return
    if not isinstance(value, TYPES[kind]) or isinstance(value, bool) != (kind == "boolean"):
        return report(path, f"{brief(value)} is not a {kind}")
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
    least, most = meta.get("min", size), meta.get("max", LARGEST.get(kind, size))
    if not least <= size <= most:
        unit = {"string": " characters", "blob": " bytes", "list": " items", "map": " entries"}.get(kind, "")
        report(path, f"{size}{unit}, at {f'least {least}' if size < least else f'most {most}'}")


def check_input(service, line, headers, body, report):
    """Reads the input in the protocol that the request speaks, which is one of the several of some services."""
    meta, name = service.metadata, line["action"]
    path, _, query = line["target"].partition("?")
    content = headers.get("content-type", "").partition(";")[0]
    if meta["protocol"] == "rest-json":
        return check_rest(service, line, path, query, headers, body, report)
    shape = service.operation_model(name).input_shape or NO_INPUT
    if path.startswith("/service/"):
        protocol, value = "smithy-rpc-v2-cbor", from_cbor(body) if body else {}
        where = path, f"/service/{meta['targetPrefix']}/operation/{name}"
        same(report, "smithy-protocol", headers.get("smithy-protocol"), "rpc-v2-cbor")
        same(report, "content-type", content, "application/cbor" if body else "")
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
    ec2 = protocol == "ec2"
    check(shape, from_form(shape, value, ec2) if ec2 or protocol == "query" else from_json(shape, value), "", report)


def same(report, what, have, want):
    if have != want:
        report("", f"{what} {have!r} instead of {want!r}")


def template(http):
    """Method and path in the model as a pattern. AWS does not mind a last slash more or less."""
    parts = re.split(r"(\{\w+\+?\})", http["requestUri"].partition("?")[0].rstrip("/"))
    text = "".join("(.+)" if p.endswith("+}") else "([^/]+)" if p.startswith("{") else re.escape(p) for p in parts)
    return re.compile(f"{http['method']} {text}/?")


def check_rest(service, line, path, query, headers, body, report):
    given, found = parse_qs(query, keep_blank_values=True), []
    for operation in map(service.operation_model, service.operation_names):
        fixed = parse_qs(operation.http["requestUri"].partition("?")[2], keep_blank_values=True)
        fits = template(operation.http).fullmatch(f"{line['method']} {path}")
        if fits and fixed.items() <= given.items():
            found.append((operation, fixed, fits))
    if not found:
        return report("", f"no operation at {line['method']} {path}")
    # The path with the fewest parameters is meant.
    operation, fixed, fits = min(found, key=lambda each: (-len(each[1]), sum(map(len, each[2].groups()))))
    same(report, "operation", line["action"], operation.name)
    uri, shape = operation.http["requestUri"], operation.input_shape or NO_INPUT
    labels = dict(zip(re.findall(r"\{(\w+)\+?\}", uri), map(unquote, fits.groups())))
    value, payload = {}, shape.serialization.get("payload")
    if payload and body:
        member = shape.members[payload]
        value[payload] = from_json(member, json.loads(body)) if member.type_name == "structure" else body
    elif body and (content := json.loads(body)):
        same(report, "content-type", headers.get("content-type"), "application/json")
        value = from_json(shape, content)
    for name, member in shape.members.items():
        wire = member.serialization.get("name", name)
        match member.serialization.get("location"):
            case "uri" if wire in labels:
                value[name] = from_text(member, labels[wire])
            case "querystring" if texts := given.pop(wire, None):
                many = member.type_name == "list"
                value[name] = [from_text(member.member, text) for text in texts] if many else from_text(member, *texts)
            case "header" if wire.lower() in headers:
                value[name] = from_text(member, headers[wire.lower()], "rfc822")
    check(shape, value | {"?" + name: texts for name, texts in given.items() if name not in fixed}, "", report)


def check_signature(service, line, headers, body, secret, report):
    scheme = r"AWS4-HMAC-SHA256 Credential=([^/,]+)/\d{8}/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=(\S+), ?"
    match = re.fullmatch(scheme + r"Signature=(\w+)", headers.get("authorization", ""))
    if not match:
        return report("", "no signature of version 4")
    key, region, name, signed, signature = match.groups()
    same(report, "signed for", name, service.signing_name)
    signed = signed.split(";")
    for must in ("host", *(header for header in headers if header.startswith("x-amz-"))):
        if must not in signed:
            report("", f"header {must} is not signed")
    if (digest := headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")) != "UNSIGNED-PAYLOAD":
        same(report, "x-amz-content-sha256", digest, hashlib.sha256(body).hexdigest())
    request = AWSRequest(line["method"], f"http://{headers.get('host')}{line['target']}", data=body)
    for header, value in line["headers"]:
        if header.lower() in signed:
            request.headers.add_header(header, value)
    # These are the steps of `add_auth`, which itself would sign with the time of now.
    request.context["timestamp"] = headers.get("x-amz-date", "")
    auth = SigV4Auth(Credentials(key, secret), name, region)
    computed = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    same(report, "signature", signature, computed)


def check_line(line, options, report):
    headers = {name.lower(): value for name, value in line["headers"]}
    try:
        service, body = model(line["service"]), base64.b64decode(line["body_b64"])
        check_input(service, line, headers, body, report)
    except (UnknownServiceError, OperationNotFoundError):
        return report("", "is in no model")
    except (AttributeError, KeyError, TypeError, ValueError) as why:
        report("", f"cannot be read: {why}")
    if not options.skip_signatures:
        check_signature(service, line, headers, body, options.secret, report)


def main():
    parser = argparse.ArgumentParser(description="Checks recorded requests against AWS's own API models.")
    parser.add_argument("file", type=argparse.FileType(encoding="utf-8"), help="what --record has written")
    parser.add_argument("--skip-signatures", action="store_true")
    parser.add_argument("--secret", default="test", help="the secret access key of all requests (default: test)")
    options = parser.parse_args()
    requests, problems = 0, []
    for requests, line in enumerate(map(json.loads, options.file), 1):
        said = [f"line {requests}: {line['service']}.{line['action']}"]
        check_line(line, options, lambda path, what: problems.append(": ".join(said + [path] * bool(path) + [what])))
    print(*problems, f"{requests} requests, {len(problems)} problems", sep="\n")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
