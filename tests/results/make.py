"""What a program outside makes of a de-identified CT: make.py CT_FOLDER OUT_FOLDER.

A segmentation and a report with highdicom, a structure set and an encapsulated PDF with pydicom. It knows what left and
nothing else; as programs do, it copies patient and study, and gives what it makes UIDs of its own.
"""
import datetime
import sys
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from highdicom.sr.coding import CodedConcept
from highdicom.sr.templates import (
    DeviceObserverIdentifyingAttributes,
    Measurement,
    MeasurementReport,
    ObserverContext,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

source, out = Path(sys.argv[1]), Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)
images = sorted((pydicom.dcmread(p) for p in source.rglob("*.dcm")), key=lambda d: float(d.ImagePositionPatient[2]))
first = images[0]
now = datetime.datetime.now()


def segmentation():
    mask = np.zeros((len(images), first.Rows, first.Columns), dtype=np.uint8)
    mask[:, 20:40, 30:60] = 1
    code = CodedConcept("10200004", "SCT", "Liver")
    category = CodedConcept("123037004", "SCT", "Anatomical Structure")
    algorithm = hd.AlgorithmIdentificationSequence(
        name="Liver finder", family=codes.cid7162.ArtificialIntelligence, version="1.0")
    description = hd.seg.SegmentDescription(
        segment_number=1, segment_label="liver", segmented_property_category=category, segmented_property_type=code,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC, algorithm_identification=algorithm)
    return hd.seg.Segmentation(
        source_images=images, pixel_array=mask, segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[description], series_instance_uid=hd.UID(), series_number=100,
        sop_instance_uid=hd.UID(), instance_number=1, manufacturer="Model works", manufacturer_model_name="Liver finder",
        software_versions="1.0", device_serial_number="0", omit_empty_frames=False)


def report(seg):
    observer = ObserverContext(
        observer_type=CodedConcept("121007", "DCM", "Device"),
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(uid=hd.UID(), name="Liver finder"))
    volume = Measurement(
        name=CodedConcept("118565006", "SCT", "Volume"), value=1500.0, unit=CodedConcept("cm3", "UCUM", "cm3"))
    segment = hd.sr.ReferencedSegment(
        sop_class_uid=seg.SOPClassUID, sop_instance_uid=seg.SOPInstanceUID, segment_number=1,
        source_images=[hd.sr.SourceImageForSegmentation.from_source_image(image) for image in images])
    group = hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=hd.UID(), identifier="liver"), referenced_segment=segment,
        finding_type=CodedConcept("10200004", "SCT", "Liver"), measurements=[volume])
    tree = MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=observer),
        procedure_reported=CodedConcept("77477000", "SCT", "CT"), imaging_measurements=[group])
    return hd.sr.Comprehensive3DSR(
        evidence=[*images, seg], content=tree[0], series_number=101, series_instance_uid=hd.UID(),
        sop_instance_uid=hd.UID(), instance_number=1, manufacturer="Model works", is_complete=True)


def result(sop_class, modality, number):
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = sop_class
    for keyword in ["SpecificCharacterSet", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName",
                    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID"]:
        setattr(data, keyword, first.get(keyword, ""))
    data.SOPClassUID, data.Modality, data.SeriesNumber, data.InstanceNumber = sop_class, modality, number, 1
    data.SOPInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.Manufacturer, data.ManufacturerModelName, data.SoftwareVersions = "Model works", "Contour finder", "1.0"
    data.SeriesDescription = f"made for {first.PatientID}"
    return data


def item(**values):
    data = Dataset()
    for keyword, value in values.items():
        setattr(data, keyword, value)
    return data


def structure_set():
    data = result("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT", 102)
    data.StructureSetLabel = "liver"
    data.StructureSetDate, data.StructureSetTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    data.OperatorsName = ""
    references = [item(ReferencedSOPClassUID=i.SOPClassUID, ReferencedSOPInstanceUID=i.SOPInstanceUID) for i in images]
    series = item(SeriesInstanceUID=first.SeriesInstanceUID, ContourImageSequence=Sequence(references))
    study = item(ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1", ReferencedSOPInstanceUID=first.StudyInstanceUID,
                 RTReferencedSeriesSequence=Sequence([series]))
    data.ReferencedFrameOfReferenceSequence = Sequence([
        item(FrameOfReferenceUID=first.FrameOfReferenceUID, RTReferencedStudySequence=Sequence([study]))])
    data.StructureSetROISequence = Sequence([
        item(ROINumber=1, ReferencedFrameOfReferenceUID=first.FrameOfReferenceUID, ROIName="liver",
             ROIGenerationAlgorithm="AUTOMATIC")])
    contours = [item(ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=4,
                     ContourData=[0, 0, i.ImagePositionPatient[2], 50, 0, i.ImagePositionPatient[2],
                                  50, 50, i.ImagePositionPatient[2], 0, 50, i.ImagePositionPatient[2]],
                     ContourImageSequence=Sequence([item(ReferencedSOPClassUID=i.SOPClassUID,
                                                         ReferencedSOPInstanceUID=i.SOPInstanceUID)])) for i in images]
    data.ROIContourSequence = Sequence([item(ReferencedROINumber=1, ContourSequence=Sequence(contours))])
    data.RTROIObservationsSequence = Sequence([
        item(ObservationNumber=1, ReferencedROINumber=1, RTROIInterpretedType="ORGAN", ROIInterpreter="")])
    data.ApprovalStatus = "UNAPPROVED"
    return data


def document():
    data = result("1.2.840.10008.5.1.4.1.1.104.1", "DOC", 103)
    data.ConversionType = "WSD"
    data.ContentDate, data.ContentTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    data.AcquisitionDateTime, data.BurnedInAnnotation = "", "NO"
    data.DocumentTitle = f"Report on {first.PatientID}"
    data.ConceptNameCodeSequence = Sequence([])
    data.SourceInstanceSequence = Sequence([
        item(ReferencedSOPClassUID=first.SOPClassUID, ReferencedSOPInstanceUID=first.SOPInstanceUID)])
    data.EncapsulatedDocument = b"%PDF-1.4\n% nothing\n%%EOF\n"
    data.EncapsulatedDocument += b" " * (len(data.EncapsulatedDocument) % 2)
    data.MIMETypeOfEncapsulatedDocument = "application/pdf"
    return data


seg = segmentation()
for name, data in [("seg", seg), ("sr", report(seg)), ("rtstruct", structure_set()), ("pdf", document())]:
    data.save_as(out / f"{name}.dcm", enforce_file_format=True)
