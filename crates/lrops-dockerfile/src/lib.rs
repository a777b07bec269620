//! Dockerfile to graph: parsing, expansion, lowering, check rules. Pure.
//!
//! The way of a Dockerfile: [`syntax`] reads the text into statements, [`instruction`] gives each its meaning,
//! [`lower`] says what is to be done, and [`check`] what is likely to be a mistake.
//!
//! Invariants: no I/O · parsing does not fail, it returns findings · every finding about a text has its place.

pub mod syntax;

pub mod instruction;

pub mod git_url;
pub mod patterns;
pub mod ports;
pub mod words;

pub mod lower;

pub mod check;
pub mod emulation;
