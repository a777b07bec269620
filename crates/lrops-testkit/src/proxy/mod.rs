//! A proxy that stands before any registry and disturbs what goes through it.
//!
//! It speaks HTTP/1.1 to both sides. A client's connection is kept alive; each request goes to the registry over a
//! connection of its own, with `Host` unchanged, so that the registry's absolute locations lead back to the proxy. What
//! is cut arrives at the registry exactly up to the cut, followed by the end of its connection.

mod exchange;
mod line;
mod relay;
mod rule;
mod server;

pub use rule::{Announced, Disturbance, Rule};
pub use server::FaultProxy;
