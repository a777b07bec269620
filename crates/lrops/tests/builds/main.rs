//! Real builds through the program, each with a store of its own.
//!
//! The tests run as root, as CI does, and become an ordinary user where that is the point. Their base image is made of
//! Debian's static busybox by lrops itself.

#![expect(
    clippy::disallowed_methods,
    reason = "tests start programs and look at the clock"
)]

mod cache;
mod contexts;
mod failure;
mod interoperation;
mod laboratory;
mod lifetime;
mod proof;
mod sandbox;
mod users;
