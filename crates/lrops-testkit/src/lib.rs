//! What tests share: a registry, sample layouts, a signed archive. Never shipped.

pub mod registry;
