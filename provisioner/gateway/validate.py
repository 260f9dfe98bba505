#!/usr/bin/env python3
"""Checks what the gateway has recorded (`--record FILE`) against AWS's own API models, as botocore ships them.

Emulators accept much that AWS refuses. This rebuilds the input of every recorded request from its wire form and checks it
as the models say: names, required members, types, enums, lengths, ranges, patterns. It also computes every signature again.

    validate.py [--skip-signatures] [--secret SECRET] FILE...
"""

import argparse
import base64
import hashlib
import json
import re
import struct
import sys
import warnings
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, unquote

# The models that install.sh pins, whichever Python runs this: botocore is pure Python.
VENV = Path(__file__).resolve().parents[2] / ".emulators/venv"
sys.path[:0] = [str(packages) for packages in VENV.glob("lib/python*/site-packages")]

from botocore.auth import S3SigV4Auth, SigV4Auth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402
from botocore.loaders import Loader, UnknownServiceError  # noqa: E402
from botocore.model import OperationNotFoundError, ServiceModel  # noqa: E402

# Signing names that are not botocore's folder names: as `service_name` in src/request.rs.
FOLDERS = {"elasticloadbalancing": "elbv2", "es": "opensearch", "monitoring": "cloudwatch", "tagging": "resourcegroupstaggingapi"}

INTEGERS = {"integer": 2**31, "long": 2**63}


class Wrong(Exception):
    """The wire form cannot be what the model wants."""


class Json:
    """How values look in JSON. The other wire forms differ in some methods only."""

    def names(self, name, shape):
        """What a member may be called. Smithy's json 1.x ignores locationName, rest-json obeys it; where both occur in a
        model, they are equal."""
        return {shape.serialization.get("name", name)}

    def members(self, shape, value):
        if not isinstance(value, dict):
            raise Wrong(f"{brief(value)} is no structure")
        return value

    def items(self, shape, value):
        if not isinstance(value, list):
            raise Wrong(f"{brief(value)} is no list")
        return value

    def entries(self, shape, value):
        return list(self.members(shape, value).items())

    def key(self, shape, value):
        return value

    def scalar(self, shape, value):
        kind = shape.type_name
        if kind in ("string", "character"):
            fits = isinstance(value, str)
        elif kind == "boolean":
            fits = isinstance(value, bool)
        elif kind in INTEGERS:
            fits = isinstance(value, int) and not isinstance(value, bool) and -INTEGERS[kind] <= value < INTEGERS[kind]
        elif kind in ("float", "double"):
            fits = isinstance(value, (int, float)) and not isinstance(value, bool) or value in ("NaN", "Infinity", "-Infinity")
        elif kind == "timestamp":
            fits = self.timestamp(shape, value)
        elif kind == "blob":
            return self.blob(value)
        else:
            raise Wrong(f"unknown type {kind} in the model")
        if not fits:
            raise Wrong(f"{brief(value)} is no {kind}")
        return value

    default_time = "unixTimestamp"

    def timestamp(self, shape, value):
        form = shape.serialization.get("timestampFormat", self.default_time)
        if form == "unixTimestamp":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        pattern = {
            "iso8601": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
            "rfc822": r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d(\.\d+)? GMT",
        }[form]
        return isinstance(value, str) and re.fullmatch(pattern, value) is not None

    def blob(self, value):
        try:
            return base64.b64decode(value, validate=True)
        except (TypeError, ValueError):
            raise Wrong(f"{brief(value)} is no base64") from None


class Cbor(Json):
    def blob(self, value):
        if not isinstance(value, bytes):
            raise Wrong(f"{brief(value)} is no byte string")
        return value

    def timestamp(self, shape, value):
        return isinstance(value, tuple) and value[0] == 1 and super().timestamp(shape, value[1])


class Text(Json):
    """Values as text: in paths, query strings and headers."""

    default_time = "iso8601"

    def items(self, shape, value):
        return value if isinstance(value, list) else [part.strip() for part in value.split(",")]

    def scalar(self, shape, value):
        try:
            if shape.type_name == "boolean":
                value = {"true": True, "false": False}[value]
            elif shape.type_name in INTEGERS:
                value = int(value)
            elif shape.type_name in ("float", "double"):
                value = float(value)
            elif shape.type_name == "timestamp" and shape.serialization.get("timestampFormat") == "unixTimestamp":
                value = float(value)
        except (KeyError, ValueError):
            raise Wrong(f"{brief(value)} is no {shape.type_name}") from None
        return super().scalar(shape, value)


class Header(Text):
    default_time = "rfc822"


class Query(Text):
    """A form: a tree of the dotted names, with the value of a node under the empty name."""

    def names(self, name, shape):
        own = shape.serialization.get("name", name)
        if shape.type_name == "list" and shape.serialization.get("flattened"):
            # botocore renames a flattened list after its items, Smithy does not.
            return {own, shape.member.serialization.get("name", own)}
        return {own}

    def members(self, shape, value):
        return self.below(value)

    @staticmethod
    def below(value):
        if value.get(""):
            raise Wrong(f"{brief(value[''])} where more names are wanted")
        return {name: child for name, child in value.items() if name}

    def inside(self, shape, value, wrapper):
        """The numbered nodes of a list or map, in order."""
        value = self.below(value)
        if value and not shape.serialization.get("flattened"):
            if set(value) != {wrapper}:
                raise Wrong(f"has {sorted(value)} instead of {wrapper}")
            value = self.below(value[wrapper])
        try:
            return [value[str(n)] for n in range(1, len(value) + 1)]
        except KeyError:
            raise Wrong(f"has {sorted(value)} instead of numbers from 1") from None

    def items(self, shape, value):
        return self.inside(shape, value, shape.member.serialization.get("name", "member"))

    def entries(self, shape, value):
        key = shape.key.serialization.get("name", "key")
        content = shape.value.serialization.get("name", "value")
        for entry in (entries := self.inside(shape, value, "entry")):
            if set(entry) != {key, content}:
                raise Wrong(f"has an entry of {sorted(entry)} instead of {key} and {content}")
        return [(entry[key], entry[content]) for entry in entries]

    def key(self, shape, value):
        return value.get("")

    def scalar(self, shape, value):
        if set(value) != {""}:
            raise Wrong(f"has {sorted(value)} instead of a value")
        return super().scalar(shape, value[""])


class Ec2(Query):
    def names(self, name, shape):
        serial = shape.serialization
        own = serial.get("queryName") or serial.get("name", name)
        return {own if "queryName" in serial else own[0].upper() + own[1:]}

    def inside(self, shape, value, wrapper):
        value = self.below(value)
        # The only lists are flat ones, and there are no maps.
        return super().inside(shape, {wrapper: value} if value and not shape.serialization.get("flattened") else value, wrapper)


class Check:
    """The problems of one request."""

    def __init__(self):
        self.problems = []

    def report(self, path, what):
        self.problems.append(f"{path}: {what}" if path else what)

    def value(self, wire, shape, value, path):
        try:
            if getattr(shape, "is_document_type", False):
                pass
            elif shape.type_name == "structure":
                self.structure(wire, shape, wire.members(shape, value), path)
            elif shape.type_name == "list":
                items = wire.items(shape, value)
                self.bounds(shape, len(items), "items", path)
                for n, item in enumerate(items):
                    self.value(wire, shape.member, item, f"{path}[{n}]")
            elif shape.type_name == "map":
                entries = wire.entries(shape, value)
                self.bounds(shape, len(entries), "entries", path)
                for key, content in entries:
                    self.value(wire, shape.key, key, f"{path} key")
                    self.value(wire, shape.value, content, f"{path}[{wire.key(shape, key)!r}]")
            else:
                self.scalar(shape, wire.scalar(shape, value), path)
        except Wrong as wrong:
            self.report(path, str(wrong))

    def structure(self, wire, shape, values, path):
        wanted = {wire_name: name for name, member in shape.members.items() for wire_name in wire.names(name, member)}
        for wire_name, value in values.items():
            if wire_name in wanted:
                name = wanted[wire_name]
                self.value(wire, shape.members[name], value, f"{path}.{name}" if path else name)
            else:
                self.report(path, f"unknown member {wire_name}")
        self.required(shape, {wanted.get(wire_name) for wire_name in values}, path)
        if getattr(shape, "is_tagged_union", False) and len(values) != 1:
            self.report(path, f"a union with {len(values)} members")

    def required(self, shape, present, path):
        for name in shape.required_members:
            if name not in present:
                self.report(path, f"missing member {name}")

    def scalar(self, shape, value, path):
        if isinstance(value, (str, bytes)):
            self.bounds(shape, len(value), "characters" if isinstance(value, str) else "bytes", path)
        elif shape.type_name in (*INTEGERS, "float", "double"):
            self.bounds(shape, value, None, path)
        if shape.type_name != "string":
            return
        if shape.enum and value not in shape.enum:
            self.report(path, f"{brief(value)} is none of {', '.join(shape.enum)}")
        pattern = compiled(shape.metadata.get("pattern"))
        if pattern and not pattern.fullmatch(value):
            self.report(path, f"{brief(value)} does not match {pattern.pattern}")

    def bounds(self, shape, size, unit, path):
        least, most = shape.metadata.get("min"), shape.metadata.get("max")
        said = f"{size} {unit}" if unit else str(size)
        if least is not None and size < least:
            self.report(path, f"{said}, at least {least}")
        if most is not None and size > most:
            self.report(path, f"{said}, at most {most}")


def brief(value):
    text = repr(value)
    return text if len(text) <= 100 else text[:97] + "..."


@cache
def compiled(pattern):
    """The pattern, or None where it speaks a dialect that Python does not (\\p{L}, [[:alpha:]])."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return re.compile(pattern) if pattern else None
        except (re.error, Warning):
            return None


@cache
def model(service):
    return ServiceModel(Loader().load_service_model(FOLDERS.get(service, service), "service-2"), service)


def cbor(data):
    """The one value in the data. A tagged value becomes a pair."""
    at = 0

    def take(n):
        nonlocal at
        at += n
        if at > len(data):
            raise Wrong("the CBOR body ends early")
        return data[at - n : at]

    stop = object()

    def read():
        major, small = divmod(take(1)[0], 32)
        if major == 7:
            simple = {20: False, 21: True, 22: None, 23: None, 31: stop}
            if small in simple:
                return simple[small]
            if small not in (25, 26, 27):
                raise Wrong(f"CBOR has the simple value {small}")
            return struct.unpack(">" + "efd"[small - 25], take(2 ** (small - 24)))[0]
        if 28 <= small <= 30:
            raise Wrong(f"CBOR has the length {small}")
        n = small if small < 24 else None if small == 31 else int.from_bytes(take(2 ** (small - 24)), "big")
        if major in (0, 1, 6) and n is None:
            raise Wrong("CBOR has a number without end")
        if major < 2:
            return -1 - n if major else n
        if major == 6:
            return n, read()
        if major in (2, 3) and n is not None:
            return take(n).decode() if major == 3 else take(n)
        if n is None:
            parts = list(iter(read, stop))
        else:
            parts = [read() for _ in range(n * (2 if major == 5 else 1))]
        if major in (2, 3):
            return ("" if major == 3 else b"").join(parts)
        return dict(zip(parts[::2], parts[1::2], strict=True)) if major == 5 else parts

    value = read()
    if at != len(data):
        raise Wrong("more than one value in the CBOR body")
    return value


def form_tree(check, text):
    root = {}
    seen = set()
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name in seen:
            check.report(name, "twice")
        seen.add(name)
        node = root
        for part in name.split("."):
            node = node.setdefault(part, {})
        node[""] = value
    return root


def same(check, what, have, want):
    if have != want:
        check.report("", f"{what} {have!r} instead of {want!r}")


def load_json(body):
    return json.loads(body or b"{}")


def check_input(check, service, name, line, headers, body):
    """Finds the operation as AWS would, and checks its input in the protocol that the request speaks."""
    meta = service.metadata
    path, _, query = line["target"].partition("?")
    kind = headers.get("content-type", "").split(";")[0]
    if meta["protocol"].startswith("rest"):
        return check_rest(check, service, name, line["method"], path, query, headers, body)
    try:
        operation = service.operation_model(name)
    except OperationNotFoundError:
        return check.report("", "no such operation")
    shape = operation.input_shape
    same(check, "method", line["method"], "POST")
    if path.startswith("/service/"):
        protocol, wire = "smithy-rpc-v2-cbor", Cbor()
        same(check, "path", path, f"/service/{meta['targetPrefix']}/operation/{name}")
        same(check, "smithy-protocol", headers.get("smithy-protocol"), "rpc-v2-cbor")
        same(check, "content-type", kind, "application/cbor")
        value = cbor(body) if body else {}
    elif "x-amz-target" in headers:
        protocol, wire = "json", Json()
        same(check, "x-amz-target", headers["x-amz-target"], f"{meta['targetPrefix']}.{name}")
        same(check, "content-type", kind, f"application/x-amz-json-{meta['jsonVersion']}")
        value = load_json(body)
    else:
        protocol, wire = ("ec2", Ec2()) if meta["protocol"] == "ec2" else ("query", Query())
        value = form_tree(check, body.decode())
        same(check, "Action", value.pop("Action", {}).get(""), name)
        same(check, "Version", value.pop("Version", {}).get(""), meta["apiVersion"])
        same(check, "content-type", kind, "application/x-www-form-urlencoded")
    if protocol not in meta.get("protocols", [meta["protocol"]]):
        check.report("", f"the service does not speak {protocol}")
    if shape:
        check.value(wire, shape, value, "")
    elif value:
        check.report("", f"{brief(value)} for an operation without input")


def check_rest(check, service, name, method, path, query, headers, body):
    if service.metadata["protocol"] != "rest-json":
        return check.report("", f"{service.metadata['protocol']} is not checked")
    given = parse_qsl(query, keep_blank_values=True)
    # The most literal path wins: /functions/{Name} also fits where there is more to say.
    found = [(fits, operation) for operation in map(service.operation_model, service.operation_names)
             if operation.http["method"] == method and (fits := template(operation.http["requestUri"]).fullmatch(path))]
    if not found:
        return check.report("", f"no operation at {method} {path}")
    fits, operation = min(found, key=lambda each: len("".join(each[0].groups())))
    # The gateway names only the operations that it has to tell apart.
    if name != "Unknown":
        same(check, "operation", name, operation.name)
    fixed = parse_qsl(operation.http["requestUri"].partition("?")[2], keep_blank_values=True)
    given = [pair for pair in given if pair not in fixed]
    shape = operation.input_shape
    if not shape:
        return check.report("", "a body or query without input") if given or body else None
    labels = dict(zip(re.findall(r"\{(\w+)\+?\}", operation.http["requestUri"]), map(unquote, fits.groups())))
    payload = shape.serialization.get("payload")
    present, inside = set(), {}
    for member, target in shape.members.items():
        where, wire_name = target.serialization.get("location"), target.serialization.get("name", member)
        values = [value for key, value in given if key == wire_name]
        if where == "uri" and wire_name in labels:
            check.value(Text(), target, labels[wire_name], member)
        elif where == "querystring" and target.type_name == "map":
            check.value(Text(), target, dict(given), member)
            given = []
        elif where == "querystring" and values:
            check.value(Text(), target, values if target.type_name == "list" else values[0], member)
            if len(values) > 1 and target.type_name != "list":
                check.report(member, "twice")
            given = [pair for pair in given if pair[0] != wire_name]
        elif where == "header" and wire_name.lower() in headers:
            check.value(Header(), target, headers[wire_name.lower()], member)
        elif where is None and member != payload:
            inside[member] = target
            continue
        else:
            continue
        present.add(member)
    for key, _ in given:
        check.report("", f"unknown parameter {key}")
    if payload:
        target = shape.members[payload]
        present |= {payload} if body else set()
        if body and target.type_name == "structure":
            check.value(Json(), target, load_json(body), payload)
        elif body:
            check.scalar(target, body if target.type_name == "blob" else body.decode(), payload)
    elif value := load_json(body):
        wanted = {wire_name: member for member, target in inside.items() for wire_name in Json().names(member, target)}
        same(check, "content-type", headers.get("content-type", "").split(";")[0], "application/json")
        for wire_name, content in Json().members(shape, value).items():
            if wire_name in wanted:
                present.add(wanted[wire_name])
                check.value(Json(), inside[wanted[wire_name]], content, wanted[wire_name])
            else:
                check.report("", f"unknown member {wire_name}")
    check.required(shape, present, "")


@cache
def template(uri):
    """A path as the models write it, as a pattern. A last slash does not matter to AWS."""
    parts = re.split(r"(\{\w+\+?\})", uri.partition("?")[0].rstrip("/"))
    text = "".join("(.+)" if p.endswith("+}") else "([^/]+)" if p.startswith("{") else re.escape(p) for p in parts)
    return re.compile(text + "/?")


def check_signature(check, service, line, headers, body, secret):
    match = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8}/([^/]+)/([^/]+)/aws4_request), ?SignedHeaders=([^,]+), ?Signature=(\w+)",
        headers.get("authorization", ""),
    )
    if not match:
        return check.report("", f"Authorization {headers.get('authorization', '')[:60]!r} is no signature of version 4")
    key, scope, region, name, signed, signature = match.groups()
    same(check, "signed for", name, service.signing_name)
    signed = signed.split(";")
    hashed = headers.get("x-amz-content-sha256")
    if hashed not in (None, "UNSIGNED-PAYLOAD"):
        same(check, "x-amz-content-sha256", hashed, hashlib.sha256(body).hexdigest())
    for must in ["host", *(h for h in headers if h.startswith("x-amz-") or h == "content-type")]:
        if must not in signed:
            check.report("", f"header {must} is not signed")
    request = AWSRequest(line["method"], f"http://{headers.get('host')}{line['target']}", data=body)
    for name_, value in line["headers"]:
        if name_.lower() in signed:
            request.headers.add_header(name_, value)
    auth = (S3SigV4Auth if name == "s3" else SigV4Auth)(Credentials(key, secret), name, region)
    # Not `add_auth`, which would sign for now.
    request.context["timestamp"] = headers.get("x-amz-date", "")
    same(check, "scope", scope, auth.credential_scope(request))
    text = auth.string_to_sign(request, auth.canonical_request(request))
    if auth.signature(text, request) != signature:
        check.report("", f"the signature is wrong; signed: {', '.join(signed)}")


def check_line(line, options):
    check = Check()
    headers = {name.lower(): value for name, value in line["headers"]}
    body = base64.b64decode(line["body_b64"])
    try:
        service = model(line["service"])
    except UnknownServiceError:
        check.report("", "no such service")
        return check.problems
    try:
        check_input(check, service, line["action"], line, headers, body)
    except (Wrong, ValueError) as wrong:
        check.report("", f"cannot be read: {wrong}")
    if not options.skip_signatures:
        check_signature(check, service, line, headers, body, options.secret)
    return check.problems


def main():
    parser = argparse.ArgumentParser(description="Checks recorded requests against AWS's own API models.")
    parser.add_argument("files", nargs="+", type=argparse.FileType(), metavar="FILE")
    parser.add_argument("--skip-signatures", action="store_true")
    parser.add_argument("--secret", default="test", help="the secret access key that has signed; default: test")
    options = parser.parse_args()
    requests = problems = 0
    for file in options.files:
        for number, text in enumerate(file, 1):
            line = json.loads(text)
            requests += 1
            # The container registry has a protocol of its own, and no signatures.
            if not line["service"] and line["target"].startswith("/v2/"):
                continue
            for what in check_line(line, options):
                problems += 1
                where = f"{file.name}: " if len(options.files) > 1 else ""
                print(f"{where}line {number}: {line['service']}.{line['action']}: {what}")
    print(f"{requests} requests, {problems} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
