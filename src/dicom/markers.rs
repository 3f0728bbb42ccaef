//! Marker segments of JPEG and JPEG-LS codestreams (ISO/IEC 10918-1 annex B, 14495-1 annex C).

/// What of a codestream is still to be walked. Nothing is said of what it means: `None` is a stream that ends too soon,
/// or has no marker where one must stand.
pub struct Markers<'a> {
    /// What follows.
    pub rest: &'a [u8],
}

impl<'a> Markers<'a> {
    /// The next marker; any number of FF may stand before it (10918-1 B.1.1.2).
    pub fn marker(&mut self) -> Option<u8> {
        let fill = self.rest.iter().position(|byte| *byte != 0xff).filter(|fill| *fill > 0)?;
        let marker = self.rest[fill];
        self.rest = &self.rest[fill + 1..];
        Some(marker)
    }

    /// The parameters of the segment that starts here.
    pub fn segment(&mut self) -> Option<&'a [u8]> {
        let (length, _) = self.rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (segment, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        segment.get(2..)
    }
}

/// The parameters of a frame header (10918-1 B.2.2, 14495-1 C.2.2).
pub struct FrameHeader<'a> {
    /// Bits of a sample.
    pub precision: u8,
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
    /// Identifier, sampling factors and table of each component.
    pub components: &'a [[u8; 3]],
}

impl<'a> FrameHeader<'a> {
    /// `None`: it has another length than its components take.
    pub fn of(segment: &'a [u8]) -> Option<Self> {
        let (&[precision, y1, y0, x1, x0, count], components) = segment.split_first_chunk::<6>()?;
        let (components, odd) = components.as_chunks::<3>();
        let is_whole = components.len() == usize::from(count) && odd.is_empty();
        let number = |high, low| u16::from_be_bytes([high, low]);
        let (rows, columns) = (number(y1, y0), number(x1, x0));
        is_whole.then_some(FrameHeader { precision, rows, columns, components })
    }

    /// The identifiers of the components.
    pub fn ids(&self) -> Vec<u8> {
        self.components.iter().map(|component| component[0]).collect()
    }
}
