//! Colours for a person at a terminal. Printed by `anstream`, which takes them out where nobody is, and where NO_COLOR says so.

use anstyle::{AnsiColor, Style};
use std::fmt::Display;

/// As it should be.
pub fn good(text: impl Display) -> String {
    painted(AnsiColor::Green.on_default(), text)
}

/// Somebody should look.
pub fn doubtful(text: impl Display) -> String {
    painted(AnsiColor::Yellow.on_default(), text)
}

/// Somebody must.
pub fn wrong(text: impl Display) -> String {
    painted(AnsiColor::Red.on_default().bold(), text)
}

fn painted(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}
