//! The upper layer on one TCP connection (PS3.8 9.3): PDUs and PDVs, in constant memory, under
//! deadlines.
//!
//! [`Upper`] owns the connection, which may be under TLS, and one buffer of fixed size. A P-DATA-TF
//! PDU is never gathered: its PDVs come out as [`Piece`]s, slices of the buffer, so what a peer
//! announces costs nothing until it is sent, and then nothing more. Each wait ends at the earlier of two deadlines, one for the
//! next PDU and one for the whole message, so a peer that sends a byte a second ends too.

use super::line::Line;
use super::tls::Shown;
use dicom_ul::pdu::{MAXIMUM_PDU_SIZE, Pdu};
use std::io::{self, ErrorKind};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Size of the receive buffer, in bytes: the largest P-DATA-TF PDU that dcmtk sends.
const BUFFER_BYTES: usize = 128 * 1024;
/// The longest A-ASSOCIATE PDU, in bytes: 128 presentation contexts with 28 transfer syntaxes each.
const ASSOCIATE_BYTES_MAX: u32 = 256 * 1024;
/// How often a wait looks at the stop flag.
const TICK: Duration = Duration::from_millis(200);
/// After our last word the peer gets this long to read it and close.
const LINGER: Duration = Duration::from_secs(1);
/// What is read and thrown away while lingering, in bytes.
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// PDU types (PS3.8 9.3.1).
pub(super) mod pdu_type {
    pub const A_ASSOCIATE_RQ: u8 = 0x01;
    pub const A_ASSOCIATE_AC: u8 = 0x02;
    pub const A_ASSOCIATE_RJ: u8 = 0x03;
    pub const P_DATA_TF: u8 = 0x04;
    pub const A_RELEASE_RQ: u8 = 0x05;
    pub const A_RELEASE_RP: u8 = 0x06;
    pub const A_ABORT: u8 = 0x07;
}

/// Bytes of a PDU header: type, reserved, length (PS3.8 9.3.1).
const PDU_HEADER_BYTES: u32 = 6;
/// Bytes before the fragment of a PDV: length, context id, message control header (PS3.8 9.3.5.1).
const PDV_HEADER_BYTES: u32 = 6;

/// Who ends an association, and why: source and reason of an A-ABORT (PS3.8 9.3.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Abort {
    /// The service user: efface itself, at a time of its choosing.
    User,
    /// The provider: a failure that has no reason of its own in the standard.
    NotSpecified,
    /// A PDU type that doesn't exist.
    UnrecognizedPdu,
    /// A PDU that doesn't belong in this state.
    UnexpectedPdu,
    /// A PDV that doesn't belong in this state.
    UnexpectedParameter,
    /// A length or an id that can't be.
    InvalidParameter,
}

impl Abort {
    const fn source_and_reason(self) -> [u8; 2] {
        match self {
            Abort::User => [0, 0],
            Abort::NotSpecified => [2, 0],
            Abort::UnrecognizedPdu => [2, 1],
            Abort::UnexpectedPdu => [2, 2],
            Abort::UnexpectedParameter => [2, 5],
            Abort::InvalidParameter => [2, 6],
        }
    }
}

/// Why an association can't go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The peer broke the protocol; what it did, and what the A-ABORT says.
    Violation(Abort, &'static str),
    /// The peer sent A-ABORT.
    Aborted,
    /// The TCP connection ended without a release.
    Lost(ErrorKind),
    /// A deadline passed.
    Late,
    /// The stop flag is set and this association's time is up.
    Stopping,
}

/// A fault of the peer's making, answered with A-ABORT.
pub(super) fn violation<T>(abort: Abort, what: &'static str) -> Result<T, Fault> {
    Err(Fault::Violation(abort, what))
}

/// The stop flag, with the time that running messages still have once it is set.
#[derive(Debug)]
pub(super) struct Stop {
    flag: Arc<AtomicBool>,
    drain: Duration,
    until: OnceLock<Instant>,
}

impl Stop {
    pub fn new(flag: Arc<AtomicBool>, drain: Duration) -> Self {
        Stop { flag, drain, until: OnceLock::new() }
    }

    /// Whether the service is to end.
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    /// When running messages have to be done; the time runs from the first look after the flag
    /// was set.
    pub fn until(&self) -> Option<Instant> {
        self.is_set().then(|| *self.until.get_or_init(|| Instant::now() + self.drain))
    }
}

/// What comes next on an established association.
pub(super) enum Event<'a> {
    /// The next bytes of a message.
    Data(Piece<'a>),
    /// A-RELEASE-RQ.
    ReleaseRq,
    /// A-RELEASE-RP.
    ReleaseRp,
}

/// Some bytes of a PDV's fragment, as many as have arrived; may be empty.
pub(super) struct Piece<'a> {
    /// The presentation context id.
    pub context: u8,
    /// Of a command set rather than a data set.
    pub command: bool,
    /// These are the last bytes of the command set or data set.
    pub last: bool,
    pub bytes: &'a [u8],
}

/// The PDV being read.
#[derive(Clone, Copy)]
struct Pdv {
    context: u8,
    control: u8,
    left: u32,
}

/// One connection that speaks the upper layer protocol.
pub(super) struct Upper<'l> {
    stream: Box<dyn Line + 'l>,
    /// Bytes received and not yet taken are `buffer[start..end]`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The longest P-DATA-TF that we announced, in bytes.
    pdu_bytes_max: u32,
    /// Bytes of the current P-DATA-TF that belong to no PDV read yet.
    pdu_left: u32,
    pdv: Option<Pdv>,
    /// How long to wait for a PDU, and for the peer to take what we send.
    idle: Duration,
    pdu_until: Instant,
    message_until: Option<Instant>,
    read_timeout: Option<Duration>,
    /// A PDU went out in part: whatever is sent now would be taken for the rest of it.
    torn: bool,
    stop: Option<Arc<Stop>>,
}

impl Upper<'static> {
    /// Takes a fresh connection. Segments leave at once (TCP_NODELAY): a response is one small
    /// write, and Nagle's algorithm would hold it until the peer's delayed ACK.
    pub fn new(
        stream: TcpStream,
        pdu_bytes_max: u32,
        idle: Duration,
        stop: Option<Arc<Stop>>,
    ) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Upper::on(stream, pdu_bytes_max, idle, stop))
    }
}

impl<'l> Upper<'l> {
    /// Speaks on any line.
    pub fn on(
        line: impl Line + 'l,
        pdu_bytes_max: u32,
        idle: Duration,
        stop: Option<Arc<Stop>>,
    ) -> Self {
        Upper {
            stream: Box::new(line),
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            pdu_bytes_max,
            pdu_left: 0,
            pdv: None,
            idle,
            pdu_until: Instant::now() + idle,
            message_until: None,
            read_timeout: None,
            torn: false,
            stop,
        }
    }

    /// Sets how long the next PDU may take.
    pub fn set_idle(&mut self, idle: Duration) {
        self.idle = idle;
    }

    /// A message (or the A-ASSOCIATE exchange) begins: all of it has to arrive within `total`.
    pub fn begin_message(&mut self, total: Duration) {
        self.message_until = Some(Instant::now() + total);
    }

    /// The message is over. Between messages the association yields to the stop flag at once.
    pub fn end_message(&mut self) {
        self.message_until = None;
    }

    /// Receives the PDU that opens an association, one of the types in `expected`. An A-ABORT is
    /// a fault here as everywhere.
    pub fn associate(&mut self, expected: &[u8]) -> Result<Pdu, Fault> {
        let (kind, length) = self.pdu_header()?;
        if kind == pdu_type::A_ABORT {
            return Err(Fault::Aborted);
        }
        if !expected.contains(&kind) {
            return violation(Abort::UnexpectedPdu, "no A-ASSOCIATE PDU");
        }
        if length > ASSOCIATE_BYTES_MAX {
            return violation(Abort::InvalidParameter, "an A-ASSOCIATE PDU too long");
        }
        let mut pdu = Vec::with_capacity(1024);
        pdu.extend_from_slice(&[kind, 0]);
        pdu.extend_from_slice(&length.to_be_bytes());
        let mut left = length;
        while left > 0 {
            let bytes = self.some(left)?;
            left -= bytes.len() as u32;
            pdu.extend_from_slice(bytes);
        }
        // What dicom-ul says about a PDU that it can't read quotes the PDU: not passed on.
        match dicom_ul::pdu::read_pdu(pdu.as_slice(), MAXIMUM_PDU_SIZE, true) {
            Ok(Some(pdu)) => Ok(pdu),
            Ok(None) | Err(_) => violation(Abort::InvalidParameter, "a malformed A-ASSOCIATE PDU"),
        }
    }

    /// Whether the peer says nothing for so long. Whatever is wrong with the line counts as something said.
    pub fn is_quiet_for(&mut self, time: Duration) -> bool {
        const LOOK: Duration = Duration::from_millis(5);
        let until = Instant::now() + time;
        while self.start == self.end && self.pdu_left == 0 && !self.stream.has_input() {
            if Instant::now() >= until {
                return true;
            }
            std::thread::sleep(LOOK);
        }
        false
    }

    /// Waits for what comes next on an established association.
    pub fn event(&mut self) -> Result<Event<'_>, Fault> {
        if self.pdv.is_none() && self.pdu_left == 0 {
            let (kind, length) = self.pdu_header()?;
            match kind {
                pdu_type::P_DATA_TF if length > self.pdu_bytes_max => {
                    return violation(Abort::InvalidParameter, "a PDU longer than announced");
                }
                pdu_type::P_DATA_TF if length == 0 => {
                    return violation(Abort::InvalidParameter, "a P-DATA-TF without a PDV");
                }
                pdu_type::P_DATA_TF => self.pdu_left = length,
                pdu_type::A_ABORT => return Err(Fault::Aborted),
                pdu_type::A_RELEASE_RQ | pdu_type::A_RELEASE_RP => {
                    if length != 4 {
                        return violation(Abort::InvalidParameter, "an A-RELEASE of wrong length");
                    }
                    self.exactly::<4>()?;
                    let request = kind == pdu_type::A_RELEASE_RQ;
                    return Ok(if request { Event::ReleaseRq } else { Event::ReleaseRp });
                }
                pdu_type::A_ASSOCIATE_RQ..=pdu_type::A_ASSOCIATE_RJ => {
                    return violation(Abort::UnexpectedPdu, "an A-ASSOCIATE PDU once associated");
                }
                _ => return violation(Abort::UnrecognizedPdu, "a PDU of unknown type"),
            }
        }
        let mut pdv = match self.pdv.take() {
            Some(pdv) => pdv,
            None => self.pdv_header()?,
        };
        let taken = if pdv.left == 0 { 0 } else { self.available(pdv.left)? };
        pdv.left -= taken as u32;
        let ended = pdv.left == 0;
        if !ended {
            self.pdv = Some(pdv);
        }
        let bytes = self.take(taken);
        // Bits 2 to 7 of the control header aren't looked at (PS3.8 E.2).
        Ok(Event::Data(Piece {
            context: pdv.context,
            command: pdv.control & 1 != 0,
            last: ended && pdv.control & 2 != 0,
            bytes,
        }))
    }

    /// Sends whole PDUs, in one write where the socket takes them.
    pub fn send(&mut self, pdus: &[u8]) -> Result<(), Fault> {
        self.torn = true;
        self.write(pdus)?;
        self.torn = false;
        Ok(())
    }

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        let until = Instant::now() + self.idle;
        while !bytes.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Fault::Late);
            }
            self.stream.set_write_timeout(left).map_err(lost)?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(Fault::Lost(ErrorKind::WriteZero)),
                Ok(n) => {
                    self.stream.count_written(n);
                    bytes = &bytes[n..];
                }
                Err(e) if again(&e) => {}
                Err(e) => return Err(lost(e)),
            }
        }
        self.flush(until)
    }

    /// TLS may have taken bytes that the peer did not take yet.
    fn flush(&mut self, until: Instant) -> Result<(), Fault> {
        loop {
            match self.stream.flush() {
                Ok(()) => return Ok(()),
                Err(e) if !again(&e) => return Err(lost(e)),
                Err(_) if Instant::now() >= until => return Err(Fault::Late),
                Err(_) => {}
            }
        }
    }

    /// Sends an A-ABORT, as far as the peer still takes it, and lets go.
    ///
    /// Not into a PDU that went out in part: its bytes could complete a last fragment, and the
    /// peer would store a data set that ends in an A-ABORT. The connection just ends then.
    pub fn abort(&mut self, abort: Abort) {
        if self.torn {
            let _ = self.stream.shutdown(Shutdown::Both);
            return;
        }
        self.drop_unsent(false);
        let [source, reason] = abort.source_and_reason();
        self.idle = self.idle.min(LINGER);
        let _ = self.send(&[pdu_type::A_ABORT, 0, 0, 0, 0, 4, 0, 0, source, reason]);
        self.linger();
    }

    /// Whether nothing that was written leaves any more once this process has ended.
    pub fn drop_unsent(&self, drop: bool) {
        self.stream.drop_unsent(drop);
    }

    /// What TLS found wrong, for whoever has to put it right.
    pub fn trouble(&self) -> Option<String> {
        self.stream.trouble()
    }

    /// The certificate of the peer, under TLS.
    pub fn shown(&self) -> Option<Shown> {
        self.stream.shown()
    }

    /// Says that nothing more will come from us.
    pub fn say_goodbye(&mut self) {
        // Everything has been said and heard: whoever has gone already misses nothing.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Waits a little for the peer to read our last word and close. Closing at once with bytes
    /// unread would send a TCP reset, which may take that word away from it.
    pub fn linger(&mut self) {
        let until = Instant::now() + LINGER;
        if self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let mut discarded = 0;
        while discarded < LINGER_BYTES_MAX {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stream.set_read_timeout(left).is_err() {
                return;
            }
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return,
                Ok(n) => discarded += n,
                Err(e) if again(&e) => {}
                Err(_) => return,
            }
        }
    }

    /// Type and length of the next PDU; its deadline starts here.
    fn pdu_header(&mut self) -> Result<(u8, u32), Fault> {
        self.pdu_until = Instant::now() + self.idle;
        let [kind, _, l0, l1, l2, l3] = self.exactly()?;
        Ok((kind, u32::from_be_bytes([l0, l1, l2, l3])))
    }

    /// The next PDV of the current PDU; `pdu_left` is past it then.
    fn pdv_header(&mut self) -> Result<Pdv, Fault> {
        if self.pdu_left < PDV_HEADER_BYTES {
            return violation(Abort::InvalidParameter, "a PDV cut off by its PDU");
        }
        let [l0, l1, l2, l3, context, control] = self.exactly()?;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let room = self.pdu_left - PDV_HEADER_BYTES;
        match length.checked_sub(2) {
            Some(left) if left <= room => {
                self.pdu_left = room - left;
                Ok(Pdv { context, control, left })
            }
            _ => violation(Abort::InvalidParameter, "a PDV whose length can't be"),
        }
    }

    fn exactly<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        let mut filled = 0;
        while filled < N {
            let some = self.some((N - filled) as u32)?;
            bytes[filled..filled + some.len()].copy_from_slice(some);
            filled += some.len();
        }
        Ok(bytes)
    }

    /// At least one and at most `most` bytes.
    fn some(&mut self, most: u32) -> Result<&[u8], Fault> {
        let n = self.available(most)?;
        Ok(self.take(n))
    }

    /// How many of the next `most` bytes are in the buffer; waits until there is one.
    fn available(&mut self, most: u32) -> Result<usize, Fault> {
        if self.start == self.end {
            self.fill()?;
        }
        Ok((self.end - self.start).min(most as usize))
    }

    fn take(&mut self, n: usize) -> &[u8] {
        self.start += n;
        &self.buffer[self.start - n..self.start]
    }

    /// Receives into the empty buffer.
    fn fill(&mut self) -> Result<(), Fault> {
        loop {
            let now = Instant::now();
            let until =
                self.message_until.map_or(self.pdu_until, |message| message.min(self.pdu_until));
            self.yield_to_stop(now)?;
            if now >= until {
                return Err(Fault::Late);
            }
            self.set_read_timeout((until - now).min(TICK).max(Duration::from_millis(1)))?;
            // Acknowledge at once what has arrived: a peer with Nagle's algorithm on (dcmtk's
            // default) holds back the end of its message until then.
            self.stream.acknowledge_quickly();
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Err(Fault::Lost(ErrorKind::UnexpectedEof)),
                Ok(n) => {
                    (self.start, self.end) = (0, n);
                    return Ok(());
                }
                Err(e) if again(&e) => {}
                Err(e) => return Err(lost(e)),
            }
        }
    }

    fn yield_to_stop(&self, now: Instant) -> Result<(), Fault> {
        let until = self.stop.as_ref().and_then(|stop| stop.until());
        match until {
            Some(_) if self.message_until.is_none() => Err(Fault::Stopping),
            Some(until) if now >= until => Err(Fault::Stopping),
            _ => Ok(()),
        }
    }

    fn set_read_timeout(&mut self, timeout: Duration) -> Result<(), Fault> {
        if self.read_timeout != Some(timeout) {
            self.stream.set_read_timeout(timeout).map_err(lost)?;
            self.read_timeout = Some(timeout);
        }
        Ok(())
    }
}

/// Appends a P-DATA-TF PDU with one PDV (PS3.8 9.3.5). `fragment` fits the peer's limit.
pub(super) fn put_p_data(
    out: &mut Vec<u8>,
    context: u8,
    command: bool,
    last: bool,
    fragment: &[u8],
) {
    let pdv = fragment.len() as u32 + 2;
    out.extend_from_slice(&[pdu_type::P_DATA_TF, 0]);
    out.extend_from_slice(&(pdv + 4).to_be_bytes());
    out.extend_from_slice(&pdv.to_be_bytes());
    out.extend_from_slice(&[context, u8::from(command) | u8::from(last) << 1]);
    out.extend_from_slice(fragment);
}

/// A command set as P-DATA-TF PDUs, ready for one write.
pub(super) fn command_pdus(context: u8, set: &[u8], peer_pdu_bytes_max: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(set.len() + 64);
    let mut fragments = set.chunks(fragment_bytes_max(peer_pdu_bytes_max)).peekable();
    while let Some(fragment) = fragments.next() {
        put_p_data(&mut out, context, true, fragments.peek().is_none(), fragment);
    }
    out
}

/// A whole message of a command set and a data set as P-DATA-TF PDUs.
pub(super) fn message_pdus(
    context: u8,
    command: &[u8],
    data_set: &[u8],
    peer_pdu_bytes_max: u32,
) -> Vec<u8> {
    let mut out = command_pdus(context, command, peer_pdu_bytes_max);
    let mut fragments = data_set.chunks(fragment_bytes_max(peer_pdu_bytes_max)).peekable();
    while let Some(fragment) = fragments.next() {
        put_p_data(&mut out, context, false, fragments.peek().is_none(), fragment);
    }
    out
}

/// The longest fragment for a peer that takes PDUs of so many bytes: even (PS3.8 E.1), and no
/// more than we would take ourselves, also where the peer sets no limit (0, PS3.8 D.1.1).
pub(super) fn fragment_bytes_max(peer_pdu_bytes_max: u32) -> usize {
    let pdu = match peer_pdu_bytes_max {
        0 => BUFFER_BYTES as u32,
        limit => limit.min(BUFFER_BYTES as u32),
    };
    (pdu.saturating_sub(PDV_HEADER_BYTES).max(2) & !1) as usize
}

/// A peer's limit below this carries no association, in bytes.
pub(super) const PEER_PDU_BYTES_MIN: u32 = PDU_HEADER_BYTES + PDV_HEADER_BYTES;

/// Errors after which the same call is made again: a wait that ended, or a signal.
fn again(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn lost(e: io::Error) -> Fault {
    Fault::Lost(e.kind())
}
