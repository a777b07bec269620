//! Registries: images are resolved and read over the OCI distribution protocol.
//!
//! Rules: OCI distribution spec 1.1, "Pull", and the token protocol that the distribution project describes ("Token
//! Authentication Specification"). Registries that speak only Docker's older media types are understood too.
//!
//! Invariants: a document is named by the digest of the bytes that came, and a promised digest is compared before
//! anyone sees them · credentials go to the registry they belong to and to the token service it names, never along a
//! redirect to another host, and never over plain http where the registry itself is spoken to over https · tokens and
//! passwords are in no error · a blob's reader gives foreign bytes, which the consumer verifies · mirrors are asked for what
//! is pulled, and for nothing else.

mod attempts;
mod authorization;
mod blob_reader;
mod catalog;
mod challenge;
mod client;
mod document;
mod endpoint;
mod error;
mod image;
mod keychain;
mod login;
mod mirror;
mod pages;
mod push;
mod repository;
mod token;

pub use attempts::{OnRetry, Retry};
pub use client::{Registry, RegistrySettings, Resolved};
pub use endpoint::{DEFAULT_REGISTRY_HOST, ParseRegistryPatternError, RegistryPattern};
pub use error::{Offered, RegistryError, RegistryProblem, Task};
pub use image::RegistryImage;
pub use keychain::{
    CredentialSource, Credentials, DockerConfig, HelperAct, HelperError, HelperProblem, HelperSettings,
    Keychain, LoginFile, LoginFileError, LoginPlace, ParseDockerConfigError, registry_named,
};
pub use login::{LoginError, Reception};
pub use mirror::{Mirror, ParseMirrorError};
pub use push::{
    BlobOutcome, OnPushEvent, Push, PushError, PushEvent, PushSettings, PushStep, TagExpectation, TagOutcome,
};
