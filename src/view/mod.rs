//! What people are shown, as plain values: commands print them, `--json` writes them as they are. Nothing is printed here, and
//! no value of a data set is in them.

pub mod profile;
