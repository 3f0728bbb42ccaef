//! An object and the only ways in which it may change.

use super::gate::Grant;
use super::verify::{Dates, Expected, Flaw, Found, Place, Residue, Watch};
use crate::deid::{self, Engine, FaceStatement, Report, Subject};
use crate::dicom::canonical::{Limits, Malformed, PixelSpan};
use crate::dicom::dataset::{Dataset, ParseError};
use crate::dicom::frame::{Frame, FrameFormat};
use crate::dicom::part10;
use crate::dicom::source::Source;
use crate::disk;
use dicom_dictionary_std::{tags, uids};
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// An object in state `S`. Neither Clone nor Debug.
pub struct Object<S>(S);

/// As it was received.
pub struct Identified {
    source: Source,
    dataset: Dataset,
    pixels: Option<PixelSpan>,
    subject: Subject,
}

/// De-identified by the engine; nobody has checked it.
pub struct Scrubbed {
    source: Source,
    dataset: Dataset,
    pixels: Pixels,
    claims: Claims,
    report: Report,
}

/// Encoded on disk; nobody has checked it.
pub struct Drafted {
    file: PathBuf,
    claims: Claims,
    report: Report,
}

/// The verifier passed exactly these bytes.
pub struct Deidentified {
    pub(super) file: PathBuf,
    pub(super) sha256: [u8; 32],
    pub(super) bytes: u64,
    pub(super) sop_class: String,
    pub(super) sop_instance: String,
    pub(super) transfer_syntax: String,
    report: Report,
}

/// The pixels of an object that leaves.
enum Pixels {
    None,
    /// Copied from the source, fragments and all.
    AsTheyAre(PixelSpan),
    /// Made here: native, little endian.
    Replaced(PixelSpan, Vec<u8>),
}

/// What the output says of itself; the verifier holds it against the bytes.
struct Claims {
    sop_class: String,
    sop_instance: String,
    transfer_syntax: String,
    burned_in: Option<String>,
    face: FaceStatement,
}

/// Why a source is not an object. The two kinds go to quarantine under different codes.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not a well-formed data set.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Not a readable data set.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// No identity.
    #[error(transparent)]
    Identity(#[from] deid::Error),
}

impl Object<Identified> {
    /// Reads an object up to its pixels.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(source: Source) -> Result<Self, OpenError> {
        let header = source.header(Limits::default())?;
        let dataset = Dataset::parse(&header.bytes)?;
        let subject = Subject::of(&dataset)?;
        Ok(Object(Identified { source, dataset, pixels: header.pixels, subject }))
    }

    /// Whom and what it is about.
    pub fn subject(&self) -> &Subject {
        &self.0.subject
    }

    /// The subject, by value.
    pub fn into_subject(self) -> Subject {
        self.0.subject
    }

    /// The data set, for those who decide about it.
    pub fn dataset(&self) -> &Dataset {
        &self.0.dataset
    }

    /// Whether it has top-level pixels.
    pub fn has_pixels(&self) -> bool {
        self.0.pixels.is_some()
    }

    /// The source's own bytes before the pixels, for the witness.
    ///
    /// # Errors
    /// What the system says.
    pub fn raw_header(&self) -> io::Result<Vec<u8>> {
        self.0.source.raw_header(self.0.pixels.as_ref())
    }

    /// The transfer syntax in which it came.
    pub fn transfer_syntax(&self) -> &str {
        self.0.source.transfer_syntax()
    }

    /// Decodes the one grayscale frame of the object.
    ///
    /// # Errors
    /// [`crate::dicom::frame::Error`]: such pixels cannot be looked at.
    pub fn frame(&self) -> Result<(FrameFormat, Frame), crate::dicom::frame::Error> {
        use crate::dicom::frame::Error;
        let format = FrameFormat::of(&self.0.dataset)?;
        let span = self.0.pixels.filter(|span| span.tag == tags::PIXEL_DATA);
        let span = span.ok_or(Error::Form("no Pixel Data (7FE0,0010)"))?;
        let value = self.0.source.pixel_bytes(&span).map_err(|_| Error::Decode)?;
        Ok((format, Frame::decode(format, self.transfer_syntax(), &value)?))
    }

    /// De-identifies the header and takes the pixels as they are, or those of `replaced`.
    pub fn scrub(
        self,
        _granted: &Grant,
        engine: &Engine<'_>,
        face: FaceStatement,
        replaced: Option<(FrameFormat, Frame)>,
    ) -> Object<Scrubbed> {
        let Identified { source, dataset, pixels, subject } = self.0;
        let changed = replaced.is_some();
        let (dataset, report) = engine.scrub(dataset, &subject, face, changed);
        let transfer_syntax = match changed {
            true => uids::EXPLICIT_VR_LITTLE_ENDIAN,
            false => part10::outgoing_syntax(source.transfer_syntax()),
        };
        let claims = Claims {
            sop_class: dataset.text(tags::SOP_CLASS_UID).unwrap_or_default(),
            sop_instance: dataset.text(tags::SOP_INSTANCE_UID).unwrap_or_default(),
            transfer_syntax: transfer_syntax.to_owned(),
            burned_in: dataset.text(tags::BURNED_IN_ANNOTATION),
            face,
        };
        let pixels = match (replaced, pixels) {
            (Some((format, frame)), _) => {
                let bytes = frame.to_native();
                let span = part10::native_span(format.bits_allocated, bytes.len() as u64);
                Pixels::Replaced(span, bytes)
            }
            (None, Some(span)) => Pixels::AsTheyAre(span),
            (None, None) => Pixels::None,
        };
        Object(Scrubbed { source, dataset, pixels, claims, report })
    }
}

impl Object<Scrubbed> {
    /// Encodes the object as a new DICOM file. The file isn't synced: a parcel whose bytes a power
    /// cut took is found by its seal and made again from the original.
    ///
    /// # Errors
    /// What the system says; the draft is removed then.
    pub fn draft(self, file: &Path) -> io::Result<Object<Drafted>> {
        let Scrubbed { source, dataset, pixels, claims, report } = self.0;
        let written = write_file(file, &source, &dataset, &pixels, &claims);
        if let Err(error) = written {
            disk::remove(file)?;
            return Err(error);
        }
        Ok(Object(Drafted { file: file.to_owned(), claims, report }))
    }
}

fn write_file(
    path: &Path,
    source: &Source,
    dataset: &Dataset,
    pixels: &Pixels,
    claims: &Claims,
) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 17, disk::create(path)?);
    let Claims { sop_class, sop_instance, transfer_syntax, .. } = claims;
    part10::write_meta(&mut out, sop_class, sop_instance, transfer_syntax)?;
    out.write_all(&dataset.encode().map_err(io::Error::other)?)?;
    match pixels {
        Pixels::None => {}
        Pixels::Replaced(span, bytes) => {
            part10::write_pixel_header(&mut out, span)?;
            out.write_all(bytes)?;
        }
        Pixels::AsTheyAre(span) => {
            let padding = !span.encapsulated && span.length % 2 == 1;
            let even = PixelSpan { length: span.length + u64::from(padding), ..*span };
            part10::write_pixel_header(&mut out, &even)?;
            let copied = io::copy(&mut source.pixels(span)?, &mut out)?;
            if copied != span.length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            out.write_all(&[0][..usize::from(padding)])?;
        }
    }
    out.flush()
}

impl Object<Drafted> {
    /// Reads the draft back from disk and searches it. Only what the verifier passes goes on.
    ///
    /// # Errors
    /// The draft and the residue that was found in it.
    pub fn verify(self, watch: &Watch) -> Result<Object<Deidentified>, Box<(Self, Residue)>> {
        let claims = &self.0.claims;
        let options: Vec<&str> =
            deid::method_codes(claims.face).iter().map(|(code, _)| *code).collect();
        let expected = Expected {
            transfer_syntax: &claims.transfer_syntax,
            options: &options,
            burned_in: claims.burned_in.as_deref(),
            visual_features: deid::recognizable_visual_features(claims.face),
            longitudinal: deid::LONGITUDINAL,
            exempt: &[],
            dates: Dates::Removed,
            kept: &[],
        };
        let examined = match disk::open(&self.0.file) {
            Ok(file) => watch.examine(file, &expected),
            Err(error) => {
                let found = Found::Flaw(Flaw::Io(error.kind()));
                return Err(Box::new((self, Residue { found, place: Place::Preamble })));
            }
        };
        match examined {
            Ok(examined) => {
                let Drafted { file, claims, report } = self.0;
                Ok(Object(Deidentified {
                    file,
                    sha256: examined.sha256,
                    bytes: examined.bytes,
                    sop_class: claims.sop_class,
                    sop_instance: claims.sop_instance,
                    transfer_syntax: claims.transfer_syntax,
                    report,
                }))
            }
            Err(residue) => Err(Box::new((self, residue))),
        }
    }

    /// The samples that would leave, decoded again from the draft, for those who check the face.
    ///
    /// # Errors
    /// [`crate::dicom::frame::Error`].
    pub fn samples(&self) -> Result<Vec<i32>, crate::dicom::frame::Error> {
        use crate::dicom::frame::Error;
        let source = Source::of_file(&self.0.file).map_err(|_| Error::Decode)?;
        let header = source.header(Limits::default()).map_err(|_| Error::Decode)?;
        let dataset = Dataset::parse(&header.bytes).map_err(|_| Error::Decode)?;
        let format = FrameFormat::of(&dataset)?;
        let span = header.pixels.ok_or(Error::Decode)?;
        let value = source.pixel_bytes(&span).map_err(|_| Error::Decode)?;
        Ok(Frame::decode(format, source.transfer_syntax(), &value)?.samples())
    }
}

impl Object<Deidentified> {
    /// What the engine did to it.
    pub fn report(&self) -> &Report {
        &self.0.report
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// SHA-256 of the file, as the verifier read it.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.0.sha256
    }

    /// SOP Instance UID, as it leaves.
    pub fn sop_instance(&self) -> &str {
        &self.0.sop_instance
    }

    /// The file that may be sent.
    pub fn file(&self) -> &Path {
        &self.0.file
    }

    pub(super) fn into_state(self) -> Deidentified {
        self.0
    }
}

/// Opens a DICOM file at its data set, for sending.
pub(super) fn open_dataset(path: &Path) -> io::Result<File> {
    let mut file = disk::open(path)?;
    let meta = part10::read_meta(&mut file).map_err(io::Error::other)?;
    file.seek(SeekFrom::Start(meta.length))?;
    Ok(file)
}
