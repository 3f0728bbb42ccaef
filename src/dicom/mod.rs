//! What efface takes from dicom-rs, wrapped: errors that keep kind and tag, never a value.

pub mod bits;
pub mod canonical;
pub mod charset;
pub mod codec;
pub mod csa;
pub mod dataset;
pub mod facts;
pub mod frame;
pub mod groups;
pub mod jpegls;
pub mod markers;
pub mod mosaic;
pub mod part10;
pub mod plane;
pub mod rle;
pub mod source;
pub mod volumes;
