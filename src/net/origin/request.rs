//! One HTTP/1.1 request (RFC 9112): its head, and its body as bytes. httparse reads the head; what two readers could see
//! differently (two lengths, a length beside chunks) is refused.

use super::answer::Answer;
use super::hang_up;
use crate::net::line::Line;
use crate::net::tls::Shown;
use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant};

/// Bytes of the longest head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Header fields of a request.
const FIELDS_MAX: usize = 64;
/// Bytes of the longest line before a chunk.
const CHUNK_LINE_MAX: usize = 256;

/// What comes on a connection.
pub(super) struct Input<'l> {
    line: &'l mut dyn Line,
    buffer: Vec<u8>,
    /// What was not taken yet begins here.
    start: usize,
    idle: Duration,
    until: Instant,
}

impl<'l> Input<'l> {
    pub(super) fn on(line: &'l mut dyn Line, idle: Duration, time: Duration) -> Self {
        Input { line, buffer: Vec::new(), start: 0, idle, until: Instant::now() + time }
    }

    /// From now on so long, in all.
    pub(super) fn has_time(&mut self, time: Duration) {
        self.until = Instant::now() + time;
    }

    /// The certificate of the other side; the handshake is made by the first read.
    pub(super) fn shown(&self) -> Option<Shown> {
        self.line.shown()
    }

    /// What TLS found wrong.
    pub(super) fn trouble(&self) -> Option<String> {
        self.line.trouble()
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn take(&mut self, bytes: usize) {
        self.start += bytes;
    }

    /// Waits for more; 0: there is none.
    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let mut chunk = [0; 1 << 14];
        loop {
            let left = self.until.saturating_duration_since(Instant::now()).min(self.idle);
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.line.set_read_timeout(left)?;
            match self.line.read(&mut chunk) {
                Ok(n) => {
                    self.buffer.extend_from_slice(&chunk[..n]);
                    return Ok(n);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.line.set_write_timeout(self.idle)?;
        self.line.write_all(bytes)?;
        self.line.flush()
    }

    /// Ends the connection, and reads past what the other side still says: a reset would take the answer along.
    pub(super) fn end(mut self, bytes_max: u64, time: Duration) {
        hang_up(self.line);
        self.until = self.until.min(Instant::now() + time);
        let mut past = 0;
        while past < bytes_max {
            self.start = self.buffer.len();
            match self.fill() {
                Ok(n @ 1..) => past += n as u64,
                _ => break,
            }
        }
    }
}

/// What stands before the body.
pub(super) struct Head {
    content_type: String,
    length: Length,
    /// Whether the other side waits before it sends the body.
    pub(super) expects_continue: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Bytes(u64),
    Chunks,
}

impl Head {
    /// Reads it; the inner error is the answer to what is no request that is served.
    ///
    /// # Errors
    /// Of the connection: there is nobody to answer to.
    pub(super) fn read(input: &mut Input<'_>) -> io::Result<Result<Self, Answer>> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
            let mut request = httparse::Request::new(&mut fields);
            match request.parse(input.bytes()) {
                Ok(httparse::Status::Complete(length)) => {
                    let head = Head::of(&request);
                    input.take(length);
                    return Ok(head);
                }
                Ok(httparse::Status::Partial) if input.bytes().len() < HEAD_BYTES_MAX => {}
                Ok(httparse::Status::Partial) | Err(_) => return Ok(Err(Answer::MALFORMED)),
            }
            if input.fill()? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn of(request: &httparse::Request<'_, '_>) -> Result<Self, Answer> {
        let path = request.path.unwrap_or_default();
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        if path.trim_end_matches('/') != "/studies" {
            return Err(Answer::NOT_FOUND);
        }
        if request.method != Some("POST") {
            return Err(Answer::NO_SUCH_METHOD);
        }
        let field = |name: &str| -> Result<Option<&str>, Answer> {
            let mut values = request.headers.iter().filter(|f| f.name.eq_ignore_ascii_case(name));
            let first = values.next().map(|field| std::str::from_utf8(field.value));
            if values.next().is_some() {
                return Err(Answer::MALFORMED);
            }
            first.transpose().map_err(|_| Answer::MALFORMED)
        };
        let length = match (field("Content-Length")?, field("Transfer-Encoding")?) {
            (Some(length), None) => {
                let is_plain = length.bytes().all(|b| b.is_ascii_digit());
                let length = length.parse().ok().filter(|_| is_plain);
                Length::Bytes(length.ok_or(Answer::MALFORMED)?)
            }
            (None, Some(coding)) if coding.eq_ignore_ascii_case("chunked") => Length::Chunks,
            (None, None) => return Err(Answer::NO_LENGTH),
            _ => return Err(Answer::MALFORMED),
        };
        let expects_continue = match field("Expect")? {
            None => false,
            Some(what) if what.eq_ignore_ascii_case("100-continue") => true,
            Some(_) => return Err(Answer::MALFORMED),
        };
        let content_type = field("Content-Type")?.unwrap_or_default().to_owned();
        Ok(Head { content_type, length, expects_continue })
    }

    /// The boundary of `multipart/related; type="application/dicom"; boundary=...` (PS3.18 8.6.1.2.1, RFC 2046 5.1.1).
    pub(super) fn boundary(&self) -> Result<String, Answer> {
        let mut parameters = self.content_type.split(';').map(str::trim);
        let kind = parameters.next().unwrap_or_default();
        let (mut of_dicom, mut boundary) = (false, None);
        for parameter in parameters {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "type" => of_dicom = value.eq_ignore_ascii_case("application/dicom"),
                "boundary" => boundary = Some(value.to_owned()),
                _ => {}
            }
        }
        if !kind.eq_ignore_ascii_case("multipart/related") || !of_dicom {
            return Err(Answer::OTHER_MEDIA);
        }
        let is_legal = |text: &String| {
            (1..=70).contains(&text.len()) && text.bytes().all(|b| (0x20..0x7F).contains(&b))
        };
        boundary.filter(is_legal).ok_or(Answer::MALFORMED)
    }

    /// The body, to its end and no further.
    pub(super) fn body<'a, 'l>(&self, input: &'a mut Input<'l>) -> Body<'a, 'l> {
        let left = match self.length {
            Length::Bytes(bytes) => Left::Bytes(bytes),
            Length::Chunks => Left::Chunk { bytes: 0, is_first: true },
        };
        Body { input, left }
    }
}

/// The body of a request.
pub(super) struct Body<'a, 'l> {
    input: &'a mut Input<'l>,
    left: Left,
}

#[derive(Clone, Copy)]
enum Left {
    Bytes(u64),
    Chunk { bytes: u64, is_first: bool },
    Nothing,
}

impl Body<'_, '_> {
    /// The line before a chunk, and the end of the one before.
    fn next_chunk(&mut self, is_first: bool) -> io::Result<()> {
        if !is_first {
            while self.input.bytes().len() < 2 {
                self.more()?;
            }
            if !self.input.bytes().starts_with(b"\r\n") {
                return Err(ErrorKind::InvalidData.into());
            }
            self.input.take(2);
        }
        loop {
            match httparse::parse_chunk_size(self.input.bytes()) {
                Ok(httparse::Status::Complete((line, bytes))) => {
                    self.input.take(line);
                    // Trailers are of no use here; the connection ends after the answer.
                    self.left = match bytes {
                        0 => Left::Nothing,
                        bytes => Left::Chunk { bytes, is_first: false },
                    };
                    return Ok(());
                }
                Ok(httparse::Status::Partial) if self.input.bytes().len() < CHUNK_LINE_MAX => {
                    self.more()?;
                }
                _ => return Err(ErrorKind::InvalidData.into()),
            }
        }
    }

    fn more(&mut self) -> io::Result<()> {
        match self.input.fill()? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

impl Read for Body<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Left::Chunk { bytes: 0, is_first } = self.left {
            self.next_chunk(is_first)?;
        }
        let left = match self.left {
            Left::Nothing | Left::Bytes(0) => return Ok(0),
            Left::Bytes(left) | Left::Chunk { bytes: left, .. } => left,
        };
        if self.input.bytes().is_empty() {
            self.more()?;
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        let n = most.min(self.input.bytes().len());
        out[..n].copy_from_slice(&self.input.bytes()[..n]);
        self.input.take(n);
        match &mut self.left {
            Left::Bytes(left) | Left::Chunk { bytes: left, .. } => *left -= n as u64,
            Left::Nothing => {}
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::line::Script;

    const SECOND: Duration = Duration::from_secs(1);

    /// What a request comes to, cut into segments of this size: its boundary and its body.
    fn read(sent: &[u8], segment: usize) -> io::Result<Result<(String, Vec<u8>), u16>> {
        let mut line = Script::new(sent, segment);
        let mut input = Input::on(&mut line, SECOND, SECOND);
        let head = match Head::read(&mut input)? {
            Ok(head) => head,
            Err(answer) => return Ok(Err(answer.status())),
        };
        let boundary = match head.boundary() {
            Ok(boundary) => boundary,
            Err(answer) => return Ok(Err(answer.status())),
        };
        let mut body = Vec::new();
        head.body(&mut input).read_to_end(&mut body)?;
        Ok(Ok((boundary, body)))
    }

    fn request(fields: &str, body: &str) -> Vec<u8> {
        let media = "Content-Type: multipart/related; type=\"application/dicom\"; boundary=\"b 1\"";
        format!("POST /studies HTTP/1.1\r\nHost: gate\r\n{media}\r\n{fields}\r\n\r\n{body}").into()
    }

    #[test]
    fn a_body_is_read_to_its_end_however_it_comes() {
        for segment in [1, 2, 3, 7, 1000] {
            let sized = read(&request("Content-Length: 5", "12345678"), segment).unwrap();
            assert_eq!(sized, Ok(("b 1".to_owned(), b"12345".to_vec())));
            let chunks = "3\r\n123\r\n2;x=y\r\n45\r\n0\r\n\r\n";
            let chunked = read(&request("Transfer-Encoding: chunked", chunks), segment).unwrap();
            assert_eq!(chunked, Ok(("b 1".to_owned(), b"12345".to_vec())));
        }
    }

    #[test]
    fn what_ends_early_is_no_body() {
        for (fields, body) in [
            ("Content-Length: 9", "12345"),
            ("Transfer-Encoding: chunked", "5\r\n123"),
            ("Transfer-Encoding: chunked", "3\r\n123\r\n"),
            ("Transfer-Encoding: chunked", "3\r\n123X\r\n0\r\n\r\n"),
            ("Transfer-Encoding: chunked", "FFFFFFFFFFFFFFFFF\r\n"),
        ] {
            assert!(read(&request(fields, body), 4).is_err(), "{fields} {body}");
        }
    }

    #[test]
    fn what_is_not_served_or_could_be_read_in_two_ways_is_refused() {
        let other = |was: &str, is: &str| {
            String::from_utf8(request("Content-Length: 0", ""))
                .unwrap()
                .replace(was, is)
                .into_bytes()
        };
        for (sent, status) in [
            (other("POST", "GET"), 405),
            (other("/studies", "/studies/1.2.3"), 404),
            (other("application/dicom", "application/json"), 415),
            (other("multipart/related", "multipart/mixed"), 415),
            (other("boundary=\"b 1\"", "x=y"), 400),
            (other("Content-Length: 0\r\n", ""), 411),
            (other("Content-Length: 0", "Content-Length: -1"), 400),
            (other("Content-Length: 0", "Content-Length: 0\r\nContent-Length: 0"), 400),
            (other("Content-Length: 0", "Content-Length: 0\r\nTransfer-Encoding: chunked"), 400),
            (other("Content-Length: 0", "Content-Length: 0\r\nExpect: 200-ok"), 400),
            (other("HTTP/1.1", "SMTP"), 400),
            ([other("\r\n\r\n", "\r\n"), vec![b'a'; HEAD_BYTES_MAX]].concat(), 400),
        ] {
            let answered = read(&sent, 100).unwrap();
            assert_eq!(answered, Err(status), "{}", String::from_utf8_lossy(&sent));
        }
    }
}
