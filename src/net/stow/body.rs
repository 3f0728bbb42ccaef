//! `multipart/related` with one part a parcel (PS3.18 8.6.1.2), as it is read.

use super::Cargo;
use crate::net::EXPLICIT_VR_LE;
use data_encoding::HEXLOWER;
use std::collections::VecDeque;
use std::io::{self, Cursor, ErrorKind, Read};

/// A body that reads its files while it is sent.
pub(super) struct Multipart {
    boundary: String,
    pieces: VecDeque<Piece>,
    bytes: u64,
}

/// A piece and how much of it is left, in bytes.
struct Piece {
    from: Box<dyn Read>,
    left: u64,
}

impl Multipart {
    /// Opens all of them. The head of a part names its transfer syntax only if it `says` so and that is no default (PS3.18
    /// 8.7.3.5.2): the file names it anyway.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn of(parcels: &[Cargo], says: bool) -> io::Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        // Random, so that nobody can have put it into an instance.
        let boundary = format!("efface-{}", HEXLOWER.encode(&random));
        let mut body = Multipart { boundary, pieces: VecDeque::new(), bytes: 0 };
        for parcel in parcels {
            let syntax = match parcel.transfer_syntax() {
                syntax if says && syntax != EXPLICIT_VR_LE => format!("; transfer-syntax={syntax}"),
                _ => String::new(),
            };
            body.text(format!(
                "--{}\r\nContent-Type: application/dicom{syntax}\r\n\r\n",
                body.boundary
            ));
            let (file, bytes) = parcel.file()?;
            body.push(Box::new(file), bytes);
            body.text("\r\n".to_owned());
        }
        body.text(format!("--{}--\r\n", body.boundary));
        Ok(body)
    }

    /// For the head of the request.
    pub(super) fn content_type(&self) -> String {
        format!("multipart/related; type=\"application/dicom\"; boundary={}", self.boundary)
    }

    /// Its length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.bytes
    }

    fn text(&mut self, text: String) {
        let bytes = text.len() as u64;
        self.push(Box::new(Cursor::new(text)), bytes);
    }

    fn push(&mut self, from: Box<dyn Read>, left: u64) {
        self.bytes += left;
        self.pieces.push_back(Piece { from, left });
    }
}

impl Read for Multipart {
    /// A file that ends before its end is an error, so that what was sent of it is never taken for the whole.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(piece) = self.pieces.front_mut() {
            if piece.left == 0 {
                self.pieces.pop_front();
                continue;
            }
            let most = buffer.len().min(usize::try_from(piece.left).unwrap_or(usize::MAX));
            let bytes = piece.from.read(&mut buffer[..most])?;
            if bytes == 0 && most > 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            piece.left -= bytes as u64;
            return Ok(bytes);
        }
        Ok(0)
    }
}
