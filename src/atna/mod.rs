//! Reports to an audit record repository: the events of the log as audit messages of DICOM (PS3.15 A.5) by syslog over
//! TLS (PS3.15 A.6, RFC 5424, RFC 5425), and its checkpoints beside them.
//!
//! ```text
//! audit/log -> Follower -> Event -> Facts -> XML -> syslog message -> one connection -> closed in order -> cursor
//!              verified    form.rs          message.rs  syslog.rs      line.rs          line.rs           cursor.rs
//! ```
//! **The log is the queue.** Nothing is stored twice: a cursor says how far the repository is. Every record has one
//! message, and the message has the number of the record: what is missing there, or came twice, shows.
//!
//! **At least once, never a gap.** Syslog has no acknowledgement, and what a socket has taken has not arrived. But who
//! ends a TLS connection says so behind its last byte, and the other side answers (RFC 5425 4.4). So messages go out as
//! they come, and after a while the connection is ended in order; only when the other side has ended it, too, after us
//! and without a reset, the cursor moves. Collectors that answer by an end without a word (rsyslog with GnuTLS) count
//! as well: with unread bytes their system would have sent a reset. Everything else is a broken connection, and all
//! since the last good one is sent again.
//!
//! **What was read is not yet kept.** A collector that is killed may have lost what it had in memory. So after a broken
//! connection, and after a start, the last minute before the cursor is sent again, too. What a collector loses without
//! ever losing a connection shows by the numbers.
//!
//! **A checkpoint** (a signed note) goes out behind the records that it covers, at least once an hour: who has them can
//! tell that a log was rolled back, whatever becomes of this machine.

mod cursor;
mod form;
mod line;
mod message;
mod shipper;
mod syslog;
mod xml;

pub use cursor::{Cursor, backlog};
pub use line::{Syslog, Trouble};
pub use message::{KnownAs, Recipient, Reporter};
pub use shipper::{Error, Home, Line, Shipper, Wire, Word};
