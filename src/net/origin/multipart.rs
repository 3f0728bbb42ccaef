//! The parts of a multipart body (RFC 2046 5.1), read as they come: no part is held in memory.

use std::io::{self, ErrorKind, Read};

/// Bytes of the longest header of a part.
const HEADER_BYTES_MAX: usize = 8 << 10;
/// Bytes that are read at a time.
const CHUNK: usize = 1 << 16;

/// A body of parts. It reads the part that [`Multipart::next_part`] has come to, up to its end.
pub(super) struct Multipart<R> {
    source: R,
    /// What begins a line that ends a part.
    delimiter: Vec<u8>,
    buffer: Vec<u8>,
    /// What was not taken yet begins here.
    start: usize,
}

impl<R: Read> Multipart<R> {
    pub(super) fn new(source: R, boundary: &str) -> Self {
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // The first delimiter may stand at the very beginning.
        Multipart { source, delimiter, buffer: b"\r\n".to_vec(), start: 0 }
    }

    /// Goes to the next part, past what is left of this one, and past its header: what it says is said better by the
    /// instance. `false`: that was the last.
    ///
    /// # Errors
    /// `InvalidData` for what are no parts; `UnexpectedEof` and others of the connection.
    pub(super) fn next_part(&mut self) -> io::Result<bool> {
        while self.available()? > 0 {
            self.start += self.found();
        }
        self.start += self.delimiter.len();
        while self.ahead().len() < 2 {
            self.fill()?;
        }
        if self.ahead().starts_with(b"--") {
            return Ok(false);
        }
        // The rest of the line, the header, and the empty line behind it.
        let end = loop {
            if let Some(end) = memchr::memmem::find(self.ahead(), b"\r\n\r\n") {
                break end + 4;
            }
            if self.ahead().len() > HEADER_BYTES_MAX {
                return Err(ErrorKind::InvalidData.into());
            }
            self.fill()?;
        };
        let line = self.ahead().iter().take_while(|b| **b != b'\r');
        if !line.into_iter().all(|b| matches!(b, b' ' | b'\t')) || end > HEADER_BYTES_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        self.start += end;
        Ok(true)
    }

    fn ahead(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Bytes at hand that are of this part for certain.
    fn found(&self) -> usize {
        let bytes = self.ahead();
        memchr::memmem::find(bytes, &self.delimiter)
            .unwrap_or((bytes.len() + 1).saturating_sub(self.delimiter.len()))
    }

    /// The same, at least one; 0: the part is over.
    fn available(&mut self) -> io::Result<usize> {
        loop {
            match self.found() {
                0 if self.ahead().starts_with(&self.delimiter) => return Ok(0),
                0 => self.fill()?,
                n => return Ok(n),
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let before = self.buffer.len();
        self.buffer.resize(before + CHUNK, 0);
        let read = self.source.read(&mut self.buffer[before..]);
        self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
        match read? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

impl<R: Read> Read for Multipart<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.available()?.min(out.len());
        out[..n].copy_from_slice(&self.ahead()[..n]);
        self.start += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that gives so many bytes at a time.
    struct Dripping<'a>(&'a [u8], usize);

    impl Read for Dripping<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(out.len());
            self.0.read(&mut out[..most])
        }
    }

    fn parts(body: &[u8], drip: usize) -> io::Result<Vec<Vec<u8>>> {
        let mut multipart = Multipart::new(Dripping(body, drip), "b");
        let mut parts = Vec::new();
        while multipart.next_part()? {
            let mut part = Vec::new();
            multipart.read_to_end(&mut part)?;
            parts.push(part);
        }
        Ok(parts)
    }

    #[test]
    fn parts_are_told_apart_however_they_come() {
        let tricky = b"\r\n--\r\n--x\r\n-\r\n\r\r\n--";
        let body = [
            &b"before\r\n--b\r\nContent-Type: application/dicom\r\n\r\n"[..],
            tricky,
            b"\r\n--b \t\r\nX: y\r\n\r\n\r\n--b\r\n\r\n",
            b"12\r\n--b--after",
        ]
        .concat();
        for drip in [1, 2, 3, 5, 1000] {
            let found = parts(&body, drip).unwrap();
            assert_eq!(found, [tricky.to_vec(), Vec::new(), b"12".to_vec()], "{drip}");
        }
        assert_eq!(parts(b"--b\r\n\r\n1\r\n--b--", 4).unwrap(), [b"1".to_vec()]);
        assert!(parts(b"--b--", 4).unwrap().is_empty());
    }

    #[test]
    fn a_part_that_is_not_read_is_gone_past() {
        let mut multipart =
            Multipart::new(Dripping(b"--b\r\n\r\n111\r\n--b\r\n\r\n22\r\n--b--", 3), "b");
        assert!(multipart.next_part().unwrap() && multipart.next_part().unwrap());
        let mut part = Vec::new();
        multipart.read_to_end(&mut part).unwrap();
        assert_eq!(part, b"22");
    }

    /// Cut anywhere it is an error, and never another set of parts.
    #[test]
    fn what_is_cut_off_is_an_error() {
        let body = b"--b\r\nA: b\r\n\r\n12345\r\n--b\r\n\r\n678\r\n--b--";
        for at in 0..body.len() {
            assert!(parts(&body[..at], 7).is_err(), "cut at {at}");
        }
        assert!(parts(b"--bx\r\n\r\n1\r\n--b--", 7).is_err());
        let long = [&b"--b\r\nA: "[..], &vec![b'x'; 2 * HEADER_BYTES_MAX], b"\r\n\r\n\r\n--b--"];
        assert!(parts(&long.concat(), 1000).is_err());
    }
}
