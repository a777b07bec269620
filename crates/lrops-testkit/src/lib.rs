//! What tests share: a registry in the process that can be told to fail.

pub mod registry;
