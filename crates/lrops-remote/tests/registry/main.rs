//! Pulling from a registry that misbehaves as told.

mod authorization;
mod case;
mod content;
mod faults;
