"""Whether results are at home: check.py PACS_FOLDER RESULTS_FOLDER.

PACS_FOLDER has everything of the PACS, the originals and what came back; RESULTS_FOLDER the results as they were made.
Prints what is wrong, a line each; nothing, if all is well.
"""
import re
import subprocess
import sys
from pathlib import Path

import pydicom

pacs = {}
for path in Path(sys.argv[1]).rglob("*.dcm"):
    data = pydicom.dcmread(path)
    pacs[data.SOPInstanceUID] = (path, data)
made = {data.SOPClassUID: (path, data)
        for path in Path(sys.argv[2]).rglob("*.dcm") for data in [pydicom.dcmread(path)]}
originals = {uid: data for uid, (_, data) in pacs.items() if data.SOPClassUID not in made}
results = {data.SOPClassUID: (path, data) for path, data in pacs.values() if data.SOPClassUID in made}
series = {data.SeriesInstanceUID for _, data in pacs.values()}
image = next(iter(originals.values()))


def wrong(*words):
    print(*words)


def walk(data, found):
    for element in data:
        if element.VR == "SQ":
            for item in element.value:
                walk(item, found)
        elif element.VR == "UI":
            for uid in element.value if element.VM > 1 else [element.value]:
                found.append((element.keyword, uid))


def errors(path):
    said = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True).stderr
    # Places of values that are other ones now, and numbers of bytes, are no errors of their own.
    lines = (re.sub(r"<[^>]*>|\[[^\]]*\]|[0-9.]{6,}", "", line) for line in said.splitlines() if line.startswith("Error"))
    return set(lines)


if set(results) != set(made):
    wrong("not all results are there:", sorted(set(made) - set(results)))
for sop_class, (path, data) in results.items():
    name = pydicom.uid.UID(sop_class).name
    for keyword in ["PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID",
                    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID"]:
        if data.get(keyword) != image.get(keyword):
            wrong(name, "has another", keyword)
    uids = []
    walk(data, uids)
    references = 0
    for keyword, uid in uids:
        if keyword == "ReferencedSOPInstanceUID":
            references += 1
            if uid not in pacs and uid != image.StudyInstanceUID:
                wrong(name, "refers to what is not there")
        elif keyword == "SeriesInstanceUID" and uid not in series:
            wrong(name, "refers to a series that is not there")
        elif keyword == "StudyInstanceUID" and uid != image.StudyInstanceUID:
            wrong(name, "refers to another study")
        elif keyword.endswith("FrameOfReferenceUID") and uid != image.FrameOfReferenceUID:
            wrong(name, "has another frame of reference")
    if not references:
        wrong(name, "refers to nothing")
    before = made[sop_class][1]
    outside = [str(before.PatientID), str(before.StudyInstanceUID), str(before.SOPInstanceUID)]
    for text in outside:
        if text.encode() in path.read_bytes():
            wrong(name, "still says what it said outside")
    if "PixelData" in before and before.PixelData != data.PixelData:
        wrong(name, "has other pixels")
    if "EncapsulatedDocument" in before and before.EncapsulatedDocument != data.EncapsulatedDocument:
        wrong(name, "has another document")
    for error in sorted(errors(path) - errors(made[sop_class][0])):
        wrong(name, "has a new error:", error)
print(len(results), "results,", len(originals), "originals", file=sys.stderr)
