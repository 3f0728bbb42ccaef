//! An object and the only ways in which it may change.

use super::allowance::{Allowance, dates};
use super::frames::MadeFrames;
use super::gate::Grant;
use super::verify::{Expected, FaceFault, FaceSeen, Flaw, Found, Place, Residue, Watch};
use crate::deface::contours::{self, Contours, Removed};
use crate::deid::{self, Claims, Engine, FaceStatement, PixelStatement, Report, Subject, Uids};
use crate::dicom::canonical::{Limits, Malformed, PixelSpan};
use crate::dicom::dataset::{Dataset, ParseError};
use crate::dicom::frame::{self, Frame, FrameFormat, frames_of};
use crate::dicom::part10;
use crate::dicom::source::Source;
use crate::disk;
use crate::pixel::{self, HeaderChanges, Stored, Treatment};
use dicom_dictionary_std::{tags, uids};
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub use super::frames::{FrameIndex, MakeFrame, Stop};

/// An object in state `S`. Neither Clone nor Debug.
pub struct Object<S>(pub(super) S);

/// As it was received.
pub struct Identified {
    source: Source,
    dataset: Dataset,
    pixels: Option<PixelSpan>,
    subject: Subject,
}

/// De-identified by the engine; nobody has checked it.
pub struct Scrubbed<'a> {
    source: Source,
    dataset: Dataset,
    pixels: Pixels<'a>,
    identity: Identity,
    claims: Claims,
    allowance: Allowance,
    report: Report,
    uids: Uids,
}

/// Encoded on disk; nobody has checked it.
pub struct Drafted {
    file: PathBuf,
    frames: OnceLock<Result<FrameIndex, frame::Error>>,
    identity: Identity,
    claims: Claims,
    allowance: Allowance,
    report: Report,
    uids: Uids,
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
    uids: Uids,
}

/// The pixels of an object that leaves.
enum Pixels<'a> {
    None,
    /// Read from the source, cleaned, and blanked if somebody wanted it.
    Treated(Box<Treatment>),
    /// Made here: native, little endian.
    Made(MadeFrames<'a>, HeaderChanges),
}

/// Which pixels an object is to leave with. In every case without what no viewer shows.
pub enum Wanted<'a> {
    /// Its own.
    Own,
    /// Its own, where the device that made them writes text blanked; nothing, if it writes none.
    Blanked(&'a [(pixel::Region, pixel::Frames)]),
    /// Others, made here, which leave native.
    Frames {
        /// The form of every frame: that of the source.
        format: FrameFormat,
        /// As many as the source has.
        count: usize,
        /// Makes frame `n`, from 0 on. Called once for each frame when the draft is written, from
        /// any thread, some frames ahead.
        make: &'a MakeFrame<'a>,
    },
}

/// What the file meta information says of the output.
struct Identity {
    sop_class: String,
    sop_instance: String,
    transfer_syntax: String,
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

    /// Where its frames are: each is read alone, without the header.
    ///
    /// # Errors
    /// [`frame::Error`]: such pixels cannot be looked at.
    pub fn frame_index(&self) -> Result<FrameIndex, frame::Error> {
        FrameIndex::of(&self.0.source, &self.0.dataset, self.0.pixels)
    }

    /// Cuts the contours of a structure set where points are removed.
    ///
    /// # Errors
    /// [`contours::Error`]: the object is half cut, and must not go on.
    pub fn cut_contours(&mut self, removed: &Removed<'_>) -> Result<Contours, contours::Error> {
        let mut object = std::mem::take(&mut self.0.dataset).into_object();
        let cut = contours::cut(&mut object, removed);
        self.0.dataset = object.into();
        cut
    }

    /// De-identifies the header and decides about the pixels.
    ///
    /// # Errors
    /// [`pixel::Error`]: the pixels can't be cleaned, the object stays inside.
    pub fn scrub<'a>(
        self,
        _granted: &Grant,
        engine: &Engine<'_>,
        face: FaceStatement,
        wanted: Wanted<'a>,
    ) -> Result<Object<Scrubbed<'a>>, pixel::Error> {
        let Identified { source, dataset, pixels, subject } = self.0;
        let text_cleaned = matches!(wanted, Wanted::Blanked(_));
        let pixels = Pixels::plan(&source, &dataset, pixels, wanted)?;
        let said = PixelStatement { face, text_cleaned, changed: pixels.are_others() };
        let allowance = Allowance::of(engine.profile(), &subject.object_kind());
        let mut uids = Uids::default();
        let (mut dataset, claims, report) =
            engine.scrub_and_note(dataset, &subject, said, &mut uids);
        match &pixels {
            Pixels::None => {}
            Pixels::Treated(treatment) => treatment.header().apply(&mut dataset),
            Pixels::Made(_, changes) => changes.apply(&mut dataset),
        }
        let identity = Identity {
            sop_class: dataset.text(tags::SOP_CLASS_UID).unwrap_or_default(),
            sop_instance: dataset.text(tags::SOP_INSTANCE_UID).unwrap_or_default(),
            transfer_syntax: pixels.transfer_syntax(&source).to_owned(),
        };
        Ok(Object(Scrubbed { source, dataset, pixels, identity, claims, allowance, report, uids }))
    }
}

impl<'a> Pixels<'a> {
    fn plan(
        source: &Source,
        dataset: &Dataset,
        span: Option<PixelSpan>,
        wanted: Wanted<'a>,
    ) -> Result<Self, pixel::Error> {
        match (wanted, span) {
            (Wanted::Frames { format, count, make }, _) => {
                let as_said =
                    FrameFormat::of(dataset) == Ok(format) && frames_of(dataset) == Ok(count);
                if !as_said {
                    return Err(pixel::Error::Form("it describes other frames than those made"));
                }
                let changes = HeaderChanges::of_made_frames(dataset, source.transfer_syntax());
                Ok(Pixels::Made(MadeFrames { format, count, make }, changes))
            }
            (_, None) => Ok(Pixels::None),
            (wanted, Some(span)) => {
                let regions = if let Wanted::Blanked(regions) = wanted { regions } else { &[] };
                let transfer_syntax = source.transfer_syntax();
                let stored = Stored { dataset, span, transfer_syntax };
                Treatment::plan(&stored, &mut source.reader()?, regions)
                    .map(|treatment| Pixels::Treated(Box::new(treatment)))
            }
        }
    }

    /// Whether the image is no longer that of the source.
    fn are_others(&self) -> bool {
        match self {
            Pixels::None => false,
            Pixels::Treated(treatment) => treatment.blanks(),
            Pixels::Made(..) => true,
        }
    }

    fn transfer_syntax<'s>(&'s self, source: &'s Source) -> &'s str {
        match self {
            Pixels::None => part10::outgoing_syntax(source.transfer_syntax()),
            Pixels::Treated(treatment) => treatment.transfer_syntax(),
            Pixels::Made(..) => uids::EXPLICIT_VR_LITTLE_ENDIAN,
        }
    }
}

impl Object<Scrubbed<'_>> {
    /// Encodes the object as a new DICOM file. The file isn't synced: a parcel whose bytes a power
    /// cut took is found by its seal and made again from the original.
    ///
    /// # Errors
    /// [`pixel::Error`]: the pixels turned out not to be what they promised, or what the system says.
    /// The draft is removed then.
    pub fn draft(self, file: &Path) -> Result<Object<Drafted>, pixel::Error> {
        let Scrubbed { source, dataset, pixels, identity, claims, allowance, report, uids } =
            self.0;
        let written = write_file(file, &source, &dataset, &pixels, &identity);
        if let Err(error) = written {
            disk::remove(file)?;
            return Err(error);
        }
        let (file, frames) = (file.to_owned(), OnceLock::new());
        Ok(Object(Drafted { file, frames, identity, claims, allowance, report, uids }))
    }
}

fn write_file(
    path: &Path,
    source: &Source,
    dataset: &Dataset,
    pixels: &Pixels<'_>,
    identity: &Identity,
) -> Result<(), pixel::Error> {
    let mut out = BufWriter::with_capacity(1 << 17, disk::create(path)?);
    let Identity { sop_class, sop_instance, transfer_syntax } = identity;
    part10::write_meta(&mut out, sop_class, sop_instance, transfer_syntax)?;
    out.write_all(&dataset.encode().map_err(io::Error::other)?)?;
    match pixels {
        Pixels::None => {}
        Pixels::Made(frames, _) => frames.write(&mut out)?,
        Pixels::Treated(treatment) => treatment.write(&mut source.reader()?, &mut out)?,
    }
    Ok(out.flush()?)
}

impl Object<Drafted> {
    /// Reads the draft back from disk and searches it. Only what the verifier passes goes on.
    ///
    /// # Errors
    /// The draft and the residue that was found in it.
    pub fn verify(self, watch: &Watch) -> Result<Object<Deidentified>, Box<(Self, Residue)>> {
        let Drafted { identity, claims, allowance, .. } = &self.0;
        let expected = Expected {
            transfer_syntax: &identity.transfer_syntax,
            options: &claims.codes,
            burned_in: claims.burned_in.as_deref(),
            visual_features: claims.visual_features,
            longitudinal: claims.longitudinal,
            exempt: &allowance.exempt,
            dates: dates(claims.dates),
            kept: &allowance.kept,
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
                let Drafted { file, identity, report, uids, .. } = self.0;
                Ok(Object(Deidentified {
                    file,
                    sha256: examined.sha256,
                    bytes: examined.bytes,
                    sop_class: identity.sop_class,
                    sop_instance: identity.sop_instance,
                    transfer_syntax: identity.transfer_syntax,
                    report,
                    uids,
                }))
            }
            Err(residue) => Err(Box::new((self, residue))),
        }
    }

    /// The points of contours that would leave, read again from the draft, for those who check the face.
    ///
    /// # Errors
    /// [`contours::Error::Points`], also when the draft does not read.
    pub fn contours(&self, removed: &Removed<'_>) -> Result<Contours, contours::Error> {
        let unread = contours::Error::Points;
        let source = Source::of_file(&self.0.file).map_err(|_| unread)?;
        let header = source.header(Limits::default()).map_err(|_| unread)?;
        let dataset = Dataset::parse(&header.bytes).map_err(|_| unread)?;
        contours::count(dataset.object(), removed)
    }

    /// The verifier's own look at the contours that would leave, beside the head that it found by itself.
    ///
    /// # Errors
    /// [`FaceFault`], also when the draft does not read.
    pub fn require_contours_clear(&self, seen: &FaceSeen) -> Result<(), FaceFault> {
        let file = disk::open(&self.0.file).map_err(|_| FaceFault::ContourUnread)?;
        let size = file.metadata().map_err(|_| FaceFault::ContourUnread)?.len();
        seen.require_contours_clear(file, size, &self.0.identity.transfer_syntax)
    }

    /// Frame `n` as it would leave, read again from the draft, for those who check the
    /// face. The first call finds where the frames are.
    ///
    /// # Errors
    /// [`frame::Error`].
    pub fn frame_at(&self, n: usize) -> Result<(FrameFormat, Frame), frame::Error> {
        let index = self.0.frames.get_or_init(|| FrameIndex::of_file(&self.0.file)).as_ref();
        index.map_err(|error| *error)?.frame(n)
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

    /// Which UIDs leave in place of which.
    pub fn uids(&self) -> &Uids {
        &self.0.uids
    }

    /// SOP Class UID.
    pub fn sop_class(&self) -> &str {
        &self.0.sop_class
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
