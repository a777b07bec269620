//! Bases from a small signed archive on loopback, and one from the machine's real mirror.

mod alpine;
mod building;
mod mirror;
mod refusing;
mod scene;
mod support;
