#!/usr/bin/env python3
"""How TO_HEAD of build_template.py was found: the mean head registered to Colin27, affine, mutual information.

  venv/bin/pip install numpy==2.* SimpleITK==2.*
  venv/bin/python register.py ch2.nii.gz wheels/pydeface/data/mean_reg2mean.nii.gz

ch2.nii.gz is Colin27 from the Debian package mricron-data (BSD-3-Clause). Nothing of it goes into the template but
these twelve numbers: MNI (RAS mm) to the mean head's space.
"""
import sys

import numpy as np
import SimpleITK as sitk


def main(fixed_file, moving_file):
    fixed, moving = (sitk.ReadImage(f, sitk.sitkFloat32) for f in (fixed_file, moving_file))
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(40)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.05, 1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()

    moments = sitk.CenteredTransformInitializerFilter.MOMENTS
    start = sitk.CenteredTransformInitializer(fixed, moving, sitk.Similarity3DTransform(), moments)
    similarity = sitk.Similarity3DTransform(start)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 200)
    method.SetShrinkFactorsPerLevel([6, 4, 2])
    method.SetSmoothingSigmasPerLevel([4, 2, 1])
    method.SetInitialTransform(similarity, inPlace=True)
    method.Execute(fixed, moving)

    affine = sitk.AffineTransform(3)
    affine.SetMatrix(similarity.GetMatrix())
    affine.SetTranslation(similarity.GetTranslation())
    affine.SetCenter(similarity.GetCenter())
    method.SetOptimizerAsRegularStepGradientDescent(0.3, 1e-3, 200)
    method.SetShrinkFactorsPerLevel([3, 2])
    method.SetSmoothingSigmasPerLevel([2, 1])
    method.SetInitialTransform(affine, inPlace=True)
    method.Execute(fixed, moving)

    lps = np.eye(4)
    lps[:3, :3] = np.reshape(affine.GetMatrix(), (3, 3))
    centre = np.array(affine.GetCenter())
    lps[:3, 3] = affine.GetTranslation() + centre - lps[:3, :3] @ centre
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    print("mutual information", round(method.GetMetricValue(), 4))
    print(np.round(flip @ lps @ flip, 4))


if __name__ == "__main__":
    main(*sys.argv[1:3])
