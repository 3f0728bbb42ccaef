//! What the types forbid: programs that would let something leave unchecked do not compile.
//!
//! The messages are those of the compiler that the project is developed with; after a change of
//! compiler: `TRYBUILD=overwrite cargo test --test custody`, and read the difference.

#![allow(missing_docs)]

#[test]
fn what_would_leave_unchecked_does_not_compile() {
    let programs = trybuild::TestCases::new();
    programs.pass("tests/compile_pass/*.rs");
    programs.compile_fail("tests/compile_fail/*.rs");
}
