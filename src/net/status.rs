//! DIMSE statuses (0000,0900): what each one says and what it means for the instance sent.
//!
//! One table, read by both roles: the listener takes its refusals from it, the C-STORE SCU the
//! [`Fate`] of what it has sent. A code that isn't in the table is a failure, whatever its first
//! digit promises.

use crate::fate::Fate;
use std::fmt;

/// The status of a DIMSE response, one of the table's or a peer's own invention.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(u16);

/// What a status says about the operation (PS3.7 C.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Done as asked.
    Success,
    /// Stored, with a remark: the instance is in the peer's hands.
    Warning,
    /// Not done.
    Failure,
}

/// One row: the codes from `first` to `last` mean the same.
struct Row {
    first: u16,
    last: u16,
    class: Class,
    /// Of the instance, when a destination answers so; `None`: it is stored there.
    fate: Option<Fate>,
    name: &'static str,
}

const fn failed(first: u16, last: u16, fate: Fate, name: &'static str) -> Row {
    Row { first, last, class: Class::Failure, fate: Some(fate), name }
}

const fn stored(code: u16, class: Class, name: &'static str) -> Row {
    Row { first: code, last: code, class, fate: None, name }
}

/// The statuses of C-STORE, C-ECHO, N-ACTION and N-EVENT-REPORT: PS3.4 Table B.2-1 and PS3.7 9.1.1.1.9, 10.1, Annex C.
///
/// 0124 isn't the instance's fault: every other one would meet the same answer, so the
/// destination halts.
#[rustfmt::skip]
const TABLE: &[Row] = {
    use {Class::*, Fate::*};
    &[
        stored(0x0000, Success, "success"),                                     // PS3.7 C.1
        failed(0x0110, 0x0110, Quarantine, "processing failure"),               // PS3.7 C.5
        failed(0x0111, 0x0111, Quarantine, "duplicate SOP instance"),           // PS3.7 C.5
        failed(0x0112, 0x0112, Quarantine, "no such SOP instance"),             // PS3.7 C.5
        failed(0x0115, 0x0115, Quarantine, "invalid argument value"),           // PS3.7 C.5
        failed(0x0117, 0x0117, Quarantine, "invalid SOP instance"),             // PS3.7 C.5
        failed(0x0122, 0x0122, Quarantine, "SOP class not supported"),          // PS3.7 C.5
        failed(0x0123, 0x0123, Quarantine, "no such action"),                   // PS3.7 C.5
        failed(0x0124, 0x0124, Halt, "not authorized"),                         // PS3.7 C.5
        failed(0x0210, 0x0210, Quarantine, "duplicate invocation"),             // PS3.7 C.5
        failed(0x0211, 0x0211, Quarantine, "unrecognized operation"),           // PS3.7 C.5
        failed(0x0212, 0x0212, Quarantine, "mistyped argument"),                // PS3.7 C.5
        failed(0x0213, 0x0213, Retry, "resource limitation"),                   // PS3.7 C.5
        failed(0xA700, 0xA7FF, Retry, "out of resources"),                      // PS3.4 B.2.3
        failed(0xA900, 0xA9FF, Quarantine, "data set does not match SOP class"), // PS3.4 B.2.3
        stored(0xB000, Warning, "coercion of data elements"),                   // PS3.4 B.2.3
        stored(0xB006, Warning, "elements discarded"),                          // PS3.4 B.2.3
        stored(0xB007, Warning, "data set does not match SOP class, stored"),   // PS3.4 B.2.3
        failed(0xC000, 0xCFFF, Quarantine, "cannot understand"),                // PS3.4 B.2.3
    ]
};

impl Status {
    /// Stored, or echoed.
    pub const SUCCESS: Status = Status(0x0000);
    /// The failure that fits nothing else.
    pub const PROCESSING_FAILURE: Status = Status(0x0110);
    /// The SOP Instance UID is held already, with other content.
    pub const DUPLICATE_SOP_INSTANCE: Status = Status(0x0111);
    /// The SOP instance that an operation is about is not here.
    pub const NO_SUCH_SOP_INSTANCE: Status = Status(0x0112);
    /// The action information can't be understood.
    pub const INVALID_ARGUMENT_VALUE: Status = Status(0x0115);
    /// The SOP Instance UID is missing or not a UID.
    pub const INVALID_SOP_INSTANCE: Status = Status(0x0117);
    /// The SOP class isn't the one of the presentation context.
    pub const SOP_CLASS_NOT_SUPPORTED: Status = Status(0x0122);
    /// The SOP class has no such action.
    pub const NO_SUCH_ACTION: Status = Status(0x0123);
    /// The peer may not do this.
    pub const NOT_AUTHORIZED: Status = Status(0x0124);
    /// The message id is in use.
    pub const DUPLICATE_INVOCATION: Status = Status(0x0210);
    /// The operation isn't served.
    pub const UNRECOGNIZED_OPERATION: Status = Status(0x0211);
    /// A parameter of the request contradicts the operation.
    pub const MISTYPED_ARGUMENT: Status = Status(0x0212);
    /// An operation other than C-STORE finds no room, or a disk that failed.
    pub const RESOURCE_LIMITATION: Status = Status(0x0213);
    /// Disk reserve, quota, fsync error, shutting down.
    pub const OUT_OF_RESOURCES: Status = Status(0xA700);
    /// The data set isn't of the SOP class that the command names.
    pub const DATA_SET_MISMATCH: Status = Status(0xA900);
    /// The data set can't be read.
    pub const CANNOT_UNDERSTAND: Status = Status(0xC000);

    /// The status with this code, known or not.
    pub const fn from_code(code: u16) -> Status {
        Status(code)
    }

    /// The code as it goes over the wire.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// What the status says about the operation. A code not in the table is a failure.
    pub fn class(self) -> Class {
        self.row().map_or(Class::Failure, |row| row.class)
    }

    /// The fate of an instance whose C-STORE was answered so, `None` when it is stored.
    pub fn fate(self) -> Option<Fate> {
        self.row().map_or(Some(Fate::Quarantine), |row| row.fate)
    }

    /// The standard's words for it.
    pub fn name(self) -> &'static str {
        self.row().map_or("a status that C-STORE doesn't have", |row| row.name)
    }

    /// The place of the status in a count by kind: the row of the table, the last one for others.
    pub(super) fn index(self) -> usize {
        TABLE.iter().position(|row| row.covers(self.0)).unwrap_or(TABLE.len())
    }

    /// How many places [`Status::index`] has.
    pub(super) const KINDS: usize = TABLE.len() + 1;

    /// A status for each place, with the first code of its row; 0xFFFF for the others.
    pub(super) fn of_index(index: usize) -> Status {
        Status(TABLE.get(index).map_or(0xFFFF, |row| row.first))
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.covers(self.0))
    }
}

impl Row {
    fn covers(&self, code: u16) -> bool {
        (self.first..=self.last).contains(&code)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04X} ({})", self.0, self.name())
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_order_and_do_not_overlap() {
        assert!(TABLE.windows(2).all(|pair| pair[0].last < pair[1].first));
        assert!(TABLE.iter().all(|row| row.first <= row.last));
    }

    #[test]
    fn only_success_and_the_three_warnings_of_storage_count_as_stored() {
        let stored: Vec<u16> =
            (0..=u16::MAX).filter(|&code| Status(code).fate().is_none()).collect();
        assert_eq!(stored, [0x0000, 0xB000, 0xB006, 0xB007]);
    }

    #[test]
    fn failures_know_their_fate() {
        for (code, fate) in [
            (0xA701, Fate::Retry),
            (0xA902, Fate::Quarantine),
            (0xC123, Fate::Quarantine),
            (0x0122, Fate::Quarantine),
            (0x0124, Fate::Halt),
            (0xFF00, Fate::Quarantine),
            (0xFE00, Fate::Quarantine),
            (0xB001, Fate::Quarantine),
            (0x1234, Fate::Quarantine),
        ] {
            assert_eq!(Status(code).fate(), Some(fate), "{code:04X}");
        }
    }

    #[test]
    fn each_status_has_a_place_in_the_count() {
        assert_eq!(Status(0xA7C3).index(), Status::OUT_OF_RESOURCES.index());
        assert_eq!(Status(0x1234).index(), Status::KINDS - 1);
        assert_eq!(Status::of_index(Status::CANNOT_UNDERSTAND.index()), Status(0xC000));
    }
}
