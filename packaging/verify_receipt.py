#!/usr/bin/env python3
"""Checks what efface says of a study, without efface and without its log.

    verify_receipt.py RECEIPT.json LOG_KEY           a receipt of: efface audit receipt
    verify_receipt.py --log LOG CHECKPOINT LOG_KEY   a whole log: copies of audit/log and audit/checkpoint

LOG_KEY is a file with the public key of the log, taken when efface was installed (efface audit checkpoint --key).
Nothing but the standard library is used. It checks the signature of the checkpoint (Ed25519, RFC 8032), its form (C2SP
signed-note, tlog-checkpoint), and that every record is in the signed tree (RFC 6962 2.1.1, RFC 9162 2.1.3.2).
Exit code 0: all of it holds; 1: it does not; 2: it could not be read.
"""

import base64
import hashlib
import json
import sys


class Wrong(Exception):
    """Why a receipt proves nothing."""


# ------------------------------------------------------------------------------- Ed25519 (RFC 8032 5.1, verify only)

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    """Adds points in extended coordinates."""
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    w, x, y, z = f - e, h - g, h + g, f + e
    return w * x % P, y * z % P, x * y % P, w * z % P


def multiply(scalar, point):
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point, scalar = add(point, point), scalar >> 1
    return total


def point(data):
    """A point from its 32 bytes, or None."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(key, message, signature):
    a, r, s = point(key), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= ORDER:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    x, y, z, _ = multiply(s, BASE)
    u, v, w, _ = add(r, multiply(k, a))
    return (x * w - u * z) % P == 0 and (y * w - v * z) % P == 0


# ---------------------------------------------------------------------------------- checkpoint (C2SP signed-note)

def read_key(text):
    try:
        name, key_id, key = text.strip().split("+", 2)
        key = base64.b64decode(key, validate=True)
    except ValueError:
        raise Wrong("this is no key of a log") from None
    expected = hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]
    if len(key) != 33 or key[0] != 1 or expected.hex() != key_id:
        raise Wrong("the key of the log was changed")
    return name, expected, key[1:]


def read_checkpoint(note, key):
    """Size and root of a checkpoint with a signature that holds."""
    name, key_id, public = key
    text, separator, signatures = note.rpartition("\n\n")
    lines = text.split("\n")
    if not separator or len(lines) < 3 or lines[0] != name:
        raise Wrong("the checkpoint is not one of this log")
    for line in signatures.splitlines():
        dash, _, rest = line.partition(" ")
        who, _, signature = rest.partition(" ")
        signature = base64.b64decode(signature, validate=True)
        if dash == "\u2014" and who == name and signature[:4] == key_id:
            if not is_signed(public, (text + "\n").encode(), signature[4:]):
                raise Wrong("the signature of the checkpoint does not hold")
            return int(lines[1]), base64.b64decode(lines[2], validate=True)
    raise Wrong("the checkpoint is not signed by this key")


# ------------------------------------------------------------------------------------------- tree (RFC 6962 2.1)

def leaf(record):
    return hashlib.sha256(b"\0" + record).digest()

def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def root_by_path(record, index, size, path):
    if not 0 <= index < size:
        raise Wrong(f"record {index} is not among the {size} of the checkpoint")
    first, last, found = index, size - 1, leaf(record)
    for sibling in path:
        if last == 0:
            raise Wrong(f"record {index}: its path is too long")
        if first & 1 or first == last:
            found = node(sibling, found)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            found = node(found, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise Wrong(f"record {index}: its path is too short")
    return found


def root_of(records):
    """The root over all records, and their number."""
    peaks, size = [], 0
    for record in records:
        found, n = leaf(record), size
        while n & 1:
            found, n = node(peaks.pop(), found), n >> 1
        peaks, size = peaks + [found], size + 1
    found = peaks.pop() if peaks else hashlib.sha256().digest()
    while peaks:
        found = node(peaks.pop(), found)
    return found, size


# ------------------------------------------------------------------------------------------------------- commands

def check_receipt(file, key):
    receipt = json.loads(open(file, encoding="utf-8").read())
    if receipt.get("efface_receipt") != 1 or not receipt["records"]:
        raise Wrong("this is no receipt of efface, version 1")
    size, root = read_checkpoint(receipt["checkpoint"], key)
    for one in receipt["records"]:
        path = [base64.b64decode(hash, validate=True) for hash in one["path"]]
        if root_by_path(one["record"].encode(), one["index"], size, path) != root:
            raise Wrong(f"record {one['index']} is not in the log that was signed")
        record = json.loads(one["record"])
        if record["seq"] != one["index"]:
            raise Wrong(f"record {one['index']} stands in another place than it says")
        detail = one.get("detail")  # what it says of its patient, SALT JSON; not there if it was erased
        if detail is not None and hashlib.sha256(detail.encode()).hexdigest() != record.get("detail"):
            raise Wrong(f"record {one['index']}: what it says of its patient was changed")
        print(f"record {one['index']}: {record['time']} {record['event']} {record.get('destination', '')}")
    print(f"{len(receipt['records'])} records are in the log of {size} records that {key[0]} signed")


def check_log(log, checkpoint, key):
    size, root = read_checkpoint(open(checkpoint, encoding="utf-8").read(), key)
    with open(log, "rb") as lines:
        found, count = root_of(line[:-1] for _, line in zip(range(size), lines) if line[-1:] == b"\n")
    if (found, count) != (root, size):
        raise Wrong(f"the log is not the one of {size} records that was signed")
    print(f"all {size} records are as {key[0]} signed them")


def main(arguments):
    try:
        if len(arguments) == 4 and arguments[0] == "--log":
            check_log(*arguments[1:3], read_key(open(arguments[3], encoding="utf-8").read()))
        elif len(arguments) == 2:
            check_receipt(arguments[0], read_key(open(arguments[1], encoding="utf-8").read()))
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except Wrong as wrong:
        print(f"NOT PROVEN: {wrong}")
        return 1
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        print(f"could not be read: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
