//! The `efface` program.
fn main() {}
