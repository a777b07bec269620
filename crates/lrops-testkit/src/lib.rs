//! What tests share: a registry in the process that can be told to fail, and a proxy that disturbs any other.

mod http;

pub mod registry;

pub mod proxy;

pub mod debian_registry;
