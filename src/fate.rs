//! What becomes of the work in hand when a step fails.

/// The consequence of an error. Every error enum of efface knows it by an exhaustive match, so a
/// new kind of error doesn't compile until someone has decided. In doubt: [`Fate::Quarantine`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// The same work may succeed later unchanged: keep it, wait, try again.
    Retry,
    /// This object or study won't pass by itself: put it aside inside, a person looks.
    Quarantine,
    /// The other side asked for what efface doesn't do: say no to it and keep nothing.
    Refuse,
    /// Nothing more may go this way (a destination, a volume) until a person has acted. The work
    /// stays where it is: it isn't at fault.
    Halt,
}
