//! Cache keys: what must be equal for a step's result to be used again.

use lrops_model::digest::{Digest, DigestHasher};
use serde::{Deserialize, Serialize};

/// What must be equal for a step's result to be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct CacheKey(pub(crate) Digest);

/// Computes a [`CacheKey`] from fields in order.
pub(crate) struct KeyBuilder(DigestHasher);

impl KeyBuilder {
    /// Starts with what kind of key it is, version included.
    pub(crate) fn new(kind: &str) -> Self {
        let mut hasher = DigestHasher::new();
        hasher.field(kind);
        Self(hasher)
    }

    /// Adds a field.
    pub(crate) fn field(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.field(bytes);
        self
    }

    /// Adds a field in its JSON form.
    pub(crate) fn json(self, value: &impl Serialize) -> Self {
        self.field(lrops_model::oci::encode(value))
    }

    /// Adds the key of an input, or that there is none.
    pub(crate) fn key(self, key: Option<CacheKey>) -> Self {
        match key {
            Some(key) => self.field(key.0.hex()),
            None => self.field("none"),
        }
    }

    /// Ends the computation.
    pub(crate) fn finish(self) -> CacheKey {
        CacheKey(self.0.finish())
    }
}
