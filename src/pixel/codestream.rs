//! What a codestream says of the image in it, and what the object's header must agree with.

use super::Error;
use super::form::{Form, Photometric};

/// A frame's codestream without anything that decoding doesn't need.
#[derive(Debug)]
pub struct Clean {
    /// The codestream, not padded.
    pub bytes: Vec<u8>,
    /// What it says of itself.
    pub facts: Facts,
}

/// What a codestream says of its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Columns.
    pub columns: u32,
    /// Rows.
    pub rows: u32,
    /// Components.
    pub components: u16,
    /// Bits of a sample.
    pub precision: u16,
    /// Whether samples are signed, where the codestream says so.
    pub signed: Option<bool>,
    /// What decoders do about colours.
    pub colour: Colour,
    /// The transform can't be undone exactly: the image has lost something.
    pub irreversible: bool,
}

/// What decoders do with three components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// They give them as they are.
    Plain,
    /// They take them for RGB, because the codestream says so.
    Rgb,
    /// JPEG: they convert from YCbCr to RGB.
    FromYcc,
    /// JPEG 2000: they undo the multiple component transform.
    FromTransform,
    /// Not all do the same.
    Uncertain,
}

impl Facts {
    /// Holds the codestream against the header: decoders believe the one, viewers the other.
    ///
    /// # Errors
    /// [`Error::Codestream`].
    pub fn fit(&self, form: &Form) -> Result<(), Error> {
        let size = (u32::from(form.columns), u32::from(form.rows));
        if (self.columns, self.rows) != size || self.components != form.samples {
            return Err(Error::Codestream(
                "it holds an image of another size than the header says",
            ));
        }
        Ok(())
    }

    /// Photometric Interpretation (0028,0004) of the frame when decoded.
    ///
    /// # Errors
    /// [`Error::Colour`] unless header and codestream agree, and with them all decoders.
    pub fn decoded(&self, header: Photometric) -> Result<Photometric, Error> {
        use Photometric::{Rgb, YbrFull, YbrFull422, YbrIct, YbrRct};
        if self.components == 1 {
            return Ok(header);
        }
        match (self.components, self.colour, header) {
            (3, Colour::Plain, Rgb | YbrFull) | (3, Colour::Rgb, Rgb) => Ok(header),
            (3, Colour::FromYcc, YbrFull | YbrFull422) => Ok(Rgb),
            (3, Colour::FromTransform, YbrIct | YbrRct | Rgb) => Ok(Rgb),
            _ => Err(Error::Colour),
        }
    }

    /// Whether the decoders in use give samples of this form, and nobody could read them otherwise.
    ///
    /// # Errors
    /// [`Error::Undecodable`].
    pub fn decodable(&self, form: &Form) -> Result<(), Error> {
        let bits = form.bits.ok_or(Error::Undecodable("single bits"))?;
        let fills = matches!((bits.allocated, self.precision), (8, 1..=8) | (16, 9..=16));
        // A sample that is narrower than Bits Stored: where its sign is, decoders don't agree.
        let sign = match self.signed {
            Some(signed) => signed == bits.signed,
            None => !bits.signed || self.precision >= bits.stored,
        };
        if !fills {
            return Err(Error::Undecodable(
                "its precision does not fit Bits Allocated (0028,0100)",
            ));
        }
        if !sign || bits.high + 1 != bits.stored {
            return Err(Error::Undecodable(
                "its sign does not fit Pixel Representation (0028,0103)",
            ));
        }
        Ok(())
    }
}
