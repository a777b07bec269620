//! The embedded engine: it turns a [`lrops_model::request::BuildRequest`] into images without a daemon.
//!
//! The way of a request: [`plan`] reads the Dockerfile, finds out what its images are, and lowers it to one graph for
//! all platforms; `schedule` runs the steps, several at a time; each step (`ops/*`, one file an op, its cache key
//! beside its execution) is a hit in the records of earlier builds or is executed into a snapshot; `layers` packs
//! the snapshots that images consist of; `assemble` writes configs, manifests and the index.
//!
//! Invariants: a step's result is used again only under a key that holds all that could change it · no key holds a
//! time, an absolute path or a secret · whatever fails or is killed leaves records and snapshots complete or absent ·
//! the engine reads no environment and prints nothing: it reports events.

mod assemble;
mod build;
mod contexts;
pub mod emulator;
mod images;
mod keys;
mod layers;
mod ops;
pub mod plan;
mod reporter;
mod schedule;
mod step;

pub use build::{EmbeddedEngine, EngineSettings, ProvideBase};
pub use images::{IMAGE_ACCESS_DENIED, IMAGE_NOT_REACHED};
