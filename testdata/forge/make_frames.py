"""Makes the tiny frames of the forge: 16 x 16, 8 bit, gray: a gradient. Needs Pillow, pydicom, dcmtk."""
import io, subprocess, sys
from pathlib import Path
from PIL import Image
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_fragments
out = Path(sys.argv[1]); out.mkdir(parents=True, exist_ok=True)
px = bytes((x * 7 + y * 9) & 0xFF for y in range(16) for x in range(16))
im = Image.frombytes("L", (16, 16), px)
b = io.BytesIO(); im.save(b, "JPEG", quality=50, optimize=True); (out / "baseline.jpg").write_bytes(b.getvalue())
b = io.BytesIO(); im.save(b, "JPEG2000", irreversible=False, num_resolutions=2, no_jp2=True); (out / "lossless.j2k").write_bytes(b.getvalue())
b = io.BytesIO(); im.save(b, "JPEG2000", irreversible=False, num_resolutions=2); (out / "lossless.jp2").write_bytes(b.getvalue())
ds = Dataset(); ds.file_meta = FileMetaDataset(); ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = "2.25.1"
ds.Rows = ds.Columns = 16; ds.SamplesPerPixel = 1; ds.PhotometricInterpretation = "MONOCHROME2"
ds.BitsAllocated = ds.BitsStored = 8; ds.HighBit = 7; ds.PixelRepresentation = 0; ds.PixelData = px; ds["PixelData"].VR = "OB"
ds.save_as("plain.dcm", enforce_file_format=True)
for flag, program, name in [("+e1", "dcmcjpeg", "lossless.ljpg"), (None, "dcmcrle", "frame.rle")]:
    subprocess.run([program] + ([flag] if flag else []) + ["plain.dcm", "coded.dcm"], check=True)
    coded = pydicom.dcmread("coded.dcm"); print(name, coded.file_meta.TransferSyntaxUID)
    frags = list(generate_fragments(coded.PixelData)); print([len(f) for f in frags])
    (out / name).write_bytes(frags[1])
