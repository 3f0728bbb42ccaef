#!/usr/bin/env python3
"""Soak: studies in and out for as long as one likes, and whether memory and open files of the gateway stay flat.

    cargo build --release --locked
    target/test-venv/bin/python benches/soak.py --minutes 10

Sends a new study of small CT slices with storescu, again and again, to `efface serve` with storescp behind it. Every
five seconds it looks at VmRSS and at the open files. After the first third, which warms up, neither may grow: by
the slope of a straight line through the samples, and by the means of the last two thirds. Says FLAT or GROWS; exit status 0 or 1.
"""
import argparse, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, time, urllib.request

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SIDE = 128


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--slices", type=int, default=10)
    parser.add_argument("--pause", type=float, default=0, help="seconds between studies, to leave the machine to others")
    parser.add_argument("--efface", default="target/release/efface")
    return parser.parse_args()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def study(folder, number, slices):
    """A study of a patient of its own: a cylinder, no head."""
    study_uid, series_uid = generate_uid(), generate_uid()
    for n in range(slices):
        d = Dataset()
        d.SOPClassUID, d.SOPInstanceUID = CTImageStorage, generate_uid()
        d.StudyInstanceUID, d.SeriesInstanceUID = study_uid, series_uid
        d.ImageType, d.Modality = ["ORIGINAL", "PRIMARY", "AXIAL"], "CT"
        d.PatientName, d.PatientID = f"SOAK{number}^ANNA", f"SOAK-{number}"
        d.StudyDate, d.InstanceNumber, d.BurnedInAnnotation = "20240105", n + 1, "NO"
        d.PhotometricInterpretation, d.SamplesPerPixel = "MONOCHROME2", 1
        d.Rows = d.Columns = SIDE
        d.BitsAllocated = d.BitsStored = 16
        d.HighBit, d.PixelRepresentation = 15, 0
        d.PixelData = os.urandom(SIDE * SIDE * 2)
        d.file_meta = FileMetaDataset()
        d.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        d.file_meta.MediaStorageSOPClassUID, d.file_meta.MediaStorageSOPInstanceUID = CTImageStorage, d.SOPInstanceUID
        d.save_as(folder / f"{n}.dcm", enforce_file_format=True)


def sample(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return rss, len(os.listdir(f"/proc/{pid}/fd"))


def slope(points):
    """Of the line of least squares, per hour."""
    n = len(points)
    mx, my = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    below = sum((x - mx) ** 2 for x, _ in points) or 1
    return sum((x - mx) * (y - my) for x, y in points) / below * 3600


def main():
    args = arguments()
    missing = [p for p in ("storescu", "storescp") if not shutil.which(p)]
    if missing:
        sys.exit(f"{missing[0]} is not installed")
    work = pathlib.Path(tempfile.mkdtemp(prefix="efface-soak-"))
    sink, pacs = work / "sink", work / "pacs"
    sink.mkdir(), pacs.mkdir()
    profile = work / "profile.yaml"
    profile.write_text(
        "efface_profile: 1\nname: soak\nbased_on: PS3.15 2026d Basic Application Level Confidentiality Profile\n"
        'leave: { faces: { because: "noise, nobody\'s face" } }\n'
    )
    subprocess.run([args.efface, "keys", "init", "--out", work / "root.key"], check=True, stdout=subprocess.DEVNULL)
    port, outside, metrics = free_port(), free_port(), free_port()
    # --ignore: it answers success and keeps nothing.
    scp = subprocess.Popen(["storescp", "--ignore", "-aet", "LAB", "-od", sink, str(outside)],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = open(work / "log", "wb")
    (work / "efface.yaml").write_text(f"""efface_config: 1
state: {work}/state
key_file: {work}/root.key
listen: 127.0.0.1:{port}
ae_title: EFFACE
allow: [{{ ae_title: PACS }}]
destinations: [{{ name: lab, to: "LAB@127.0.0.1:{outside}", profile: profile.yaml }}]
metrics: 127.0.0.1:{metrics}
quiet_period_s: 1
retain_delivered_h: 0.005
""")
    gateway = subprocess.Popen([args.efface, "serve", "--config", work / "efface.yaml"], stderr=log)
    try:
        time.sleep(2)
        begun, samples, sent, looked = time.time(), [], 0, 0.0
        print("    s   VmRSS KiB   files   studies")
        while time.time() - begun < args.minutes * 60:
            study(pacs, sent, args.slices)
            subprocess.run(["storescu", "-aet", "PACS", "-aec", "EFFACE", "+sd", "127.0.0.1", str(port), pacs], check=True)
            sent += 1
            time.sleep(args.pause)
            at = time.time() - begun
            if at - looked >= 5:
                looked = at
                rss, files = sample(gateway.pid)
                samples.append((at, rss, files))
                print(f"{at:5.0f} {rss:11} {files:7} {sent:9}", flush=True)
        text = urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics").read().decode()
        counts = {line.split()[0]: line.split()[1] for line in text.splitlines() if line and line[0] != "#"}
        kept = [s for s in samples if s[0] > args.minutes * 20]
        half = len(kept) // 2
        mean = lambda some, column: sum(s[column] for s in some) / max(len(some), 1)
        growth = mean(kept[half:], 1) / mean(kept[:half], 1) - 1
        files = mean(kept[half:], 2) - mean(kept[:half], 2)
        rate = slope([(at, rss / 1024) for at, rss, _ in kept])
        flat = growth < 0.05 and files < 3
        print(f"{sent} studies, {counts['efface_instances_stored_total']} instances stored, "
              f"{counts['efface_instances_delivered_total']} delivered, {counts['efface_instances_lost']} lost")
        print(f"{'FLAT' if flat else 'GROWS'}: VmRSS {growth:+.1%} from the second third to the last, {rate:+.1f} MiB/h by a "
              f"straight line; open files {files:+.1f}")
        return 0 if flat else 1
    finally:
        gateway.send_signal(signal.SIGTERM), gateway.wait(), scp.kill(), log.close()
        shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
