//! A result that comes back, from the moment it is taken until it is a file for the PACS.
//!
//! What is re-identified can be written inside, and nothing else: it is no parcel and can be sealed into none, and an
//! association to the outside takes nothing else (`tests/compile_fail`).

use super::object::Object;
use crate::dicom::canonical::{Limits, Malformed, PixelSpan};
use crate::dicom::dataset::{Dataset, ParseError};
use crate::dicom::part10;
use crate::dicom::source::Source;
use crate::disk;
use crate::reid::{Calling, Companions, Refusal, Reidentifier};
use dicom_dictionary_std::tags;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// As it came from outside.
pub struct Returned {
    source: Source,
    dataset: Dataset,
    pixels: Option<PixelSpan>,
}

/// Of the patient again: identifies a person, and never goes outside.
pub struct Reidentified {
    source: Source,
    dataset: Dataset,
    pixels: Option<PixelSpan>,
}

/// Why what came from outside is not looked at further.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// Larger than any result.
    #[error(
        "it has more than {RESULT_BYTES_MAX} bytes, more than a result may have. Have it made smaller, or in parts"
    )]
    Size,
    /// Not a well-formed data set.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Not a readable data set.
    #[error(transparent)]
    Parse(#[from] ParseError),
}

/// Bytes of the largest result that is taken: 2 GiB.
pub const RESULT_BYTES_MAX: u64 = 2 << 30;

impl Object<Returned> {
    /// Reads a result up to its pixels, by the pre-scan.
    ///
    /// # Errors
    /// [`TakeError`].
    pub fn take(source: Source) -> Result<Self, TakeError> {
        if source.length() > RESULT_BYTES_MAX {
            return Err(TakeError::Size);
        }
        let header = source.header(Limits::default())?;
        let dataset = Dataset::parse(&header.bytes)?;
        Ok(Object(Returned { source, dataset, pixels: header.pixels }))
    }

    /// What it is called, and of which study.
    ///
    /// # Errors
    /// [`Refusal::Identity`].
    pub fn calling(&self) -> Result<(String, Calling), Refusal> {
        let study = self.0.dataset.text(tags::STUDY_INSTANCE_UID).ok_or(Refusal::Identity)?;
        Ok((study, Calling::of(&self.0.dataset)?))
    }

    /// Counts it among the results that come together.
    ///
    /// # Errors
    /// [`Refusal::Identity`], [`Refusal::Repeated`].
    pub fn join(&self, companions: &mut Companions) -> Result<(), Refusal> {
        companions.add(&self.0.dataset)
    }

    /// Makes it one of the patient's. What is refused stays the file that it was.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn reidentify(
        self,
        way: &Reidentifier<'_>,
        companions: &Companions,
    ) -> Result<Object<Reidentified>, Refusal> {
        let Returned { source, dataset, pixels } = self.0;
        let dataset = way.reidentify(dataset, companions)?;
        Ok(Object(Reidentified { source, dataset, pixels }))
    }
}

impl Object<Reidentified> {
    /// SOP Instance UID as it is inside, made by efface.
    pub fn sop_instance(&self) -> String {
        self.0.dataset.text(tags::SOP_INSTANCE_UID).unwrap_or_default()
    }

    /// SOP Class UID.
    pub(super) fn sop_class(&self) -> String {
        self.0.dataset.text(tags::SOP_CLASS_UID).unwrap_or_default()
    }

    /// Transfer syntax in which it is written.
    pub(super) fn transfer_syntax(&self) -> &str {
        part10::outgoing_syntax(self.0.source.transfer_syntax())
    }

    /// Writes it as a new DICOM file, synced; the pixels as they came.
    ///
    /// # Errors
    /// What the system says, and values that cannot be encoded. There is no file then.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let written = self.write_out(file);
        if written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists) {
            disk::remove(file)?;
        }
        written
    }

    fn write_out(&self, file: &Path) -> io::Result<()> {
        let Reidentified { source, dataset, pixels } = &self.0;
        let mut out = BufWriter::with_capacity(1 << 17, disk::create(file)?);
        let (class, instance) = (self.sop_class(), self.sop_instance());
        part10::write_meta(&mut out, &class, &instance, self.transfer_syntax())?;
        out.write_all(&dataset.encode().map_err(io::Error::other)?)?;
        if let Some(span) = pixels {
            part10::write_pixel_header(&mut out, span)?;
            let copied = io::copy(&mut source.pixels(span)?, &mut out)?;
            if copied != span.length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        out.flush()?;
        disk::sync_file(out.get_ref())
    }
}
