//! What tests share: a registry in the process that can be told to fail, a proxy that disturbs any other, real docker, and a
//! mirror of packages.

mod http;

pub mod registry;
pub mod scratch;

pub mod proxy;

pub mod debian_registry;

pub mod docker;

pub mod package_mirror;
