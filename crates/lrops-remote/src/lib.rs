//! The network: downloads and registries. The only crate that opens sockets.
//!
//! Invariants: every wait has a limit · credentials are in no error and no event · a request's credentials stay with
//! the host they were meant for.

pub mod http;
pub mod registry;
