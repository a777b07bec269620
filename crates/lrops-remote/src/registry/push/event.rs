//! What happens in a push, as data.

use lrops_model::oci::Descriptor;
use lrops_model::reference::Reference;

use crate::registry::attempts::Retry;

/// Something that happened to a blob or a document that is pushed.
#[derive(Debug)]
pub struct PushEvent<'a> {
    /// The repository that it is pushed to.
    pub repository: &'a Reference,
    /// The blob or the document.
    pub descriptor: &'a Descriptor,
    /// What happened.
    pub what: PushStep<'a>,
}

/// What happened.
#[derive(Debug)]
pub enum PushStep<'a> {
    /// The registry has it already.
    There,
    /// The registry took it from another of its repositories.
    Mounted {
        /// The other repository.
        from: &'a str,
    },
    /// An upload that was begun before goes on, or the registry said anew how much it has.
    Resumed {
        /// How many bytes the registry has.
        offset: u64,
    },
    /// Bytes were handed to the network.
    Sending {
        /// Where in the blob it stands.
        offset: u64,
    },
    /// Something failed, and is tried again.
    Retrying(&'a Retry<'a>),
    /// The registry has taken it.
    Taken {
        /// How many bytes were handed to the network for it, those sent again counted again.
        sent: u64,
    },
}
