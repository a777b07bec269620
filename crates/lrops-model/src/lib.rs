//! The nouns of lrops: what every other crate talks about.
//!
//! This crate does no input or output, reads no clock and no environment. A value that exists is valid: platforms,
//! references and digests are parsed at the door, and inside the type is the proof.
//!
//! Reading order: the small nouns (platform, digest, reference), what the registries and layouts hold (oci), what
//! the user asked (request), what is to be done (graph), what happened (event, finding), and the boundaries.

pub mod annotation;
pub mod blob;
pub mod cancel;
pub mod change;
pub mod digest;
pub mod engine;
pub mod event;
pub mod finding;
pub mod graph;
pub mod image;
pub mod oci;
pub mod platform;
pub mod reference;
pub mod request;
pub mod timestamp;
pub mod upload;
