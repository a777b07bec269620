//! A registry in this process, true to the OCI distribution specification 1.1, that misbehaves as told.
//!
//! It listens on a loopback port, keeps connections alive, holds everything in memory, remembers what it was asked, and
//! gives each [`Fault`] as often as it was told to. Blobs and manifests belong to a repository; mounting is the only way
//! from one to another. A client that hangs up is no failure of the registry: what came of an upload stays there.

mod access;
mod answer;
mod connection;
mod content;
mod fault;
mod incoming;
mod listing;
mod manifests;
mod options;
mod pull;
mod route;
mod seen;
mod server;
mod session;
mod token;
mod uploads;

pub use fault::Fault;
pub use options::{
    Access, Chunks, Deletion, Locations, Mounts, RegistryOptions, Resumption, Right, SinglePost,
};
pub use seen::SeenRequest;
pub use server::RegistryServer;
