#!/usr/bin/env python3
"""Writes the tables of this folder from the PS3.15/PS3.4 facts in JSON (see SOURCE.txt).

usage: make_tables.py FOLDER_WITH_JSON
"""
import json
import sys
from pathlib import Path

source, here = Path(sys.argv[1]), Path(__file__).parent


def load(name):
    return json.loads((source / name).read_text())


def write(name, head, rows):
    lines = [f"# {line}" for line in head] + ["\t".join(row) for row in rows]
    (here / name).write_text("\n".join(lines) + "\n")


e = load("ps3.15-table-e1-1.json")
write("confidentiality.tsv",
      [f"PS3.15 Table E.1-1, edition {e['edition']}: mask, tag, keyword, then the action of " + ", ".join(e["columns"])],
      [[r["match"].get("mask", "FFFFFFFF"), r["match"]["value"], r["keyword"],
        *[r[c] or "-" for c in e["columns"]]]
       for r in e["rows"] if r["match"]["kind"] != "private"])

c = load("composite-resolution.json")
write("composite.tsv",
      ["Composite actions of Table E.1-1 resolved by the attribute's Type in the IOD: SOP class, then tag=action"],
      [[uid, *[f"{tag}={a['resolved']}" for tag, a in sorted(row["attrs"].items())]]
       for uid, row in sorted(c["sop_classes"].items())])

s = load("storage-sop-classes.json")
write("sop_classes.tsv",
      ["Storage SOP Classes (PS3.4 Table B.5-1) and their default policy: UID, keyword, policy, burned-in risk"],
      [[r["uid"], r["keyword"], r["policy"], r["burned_in_risk"]] for r in s["rows"]
       if r["policy"] not in ("reject", "not-storage-of-patient-object")])

p = load("safe-private.json")
write("safe_private.tsv",
      ["PS3.15 Table E.3.10-1: private creator, group, low byte of the element, VR, name"],
      sorted([r["creator"], r["group"], r["element"].removeprefix("xx"), r["vr"] or "-", r["meaning"] or "-"]
             for r in p["rows"]))
