//! What tests share: a registry in the process that can be told to fail, a proxy that disturbs any other, a signed
//! Alpine archive, a mirror of packages, real docker, and Go.

mod http;

pub mod alpine;

pub mod registry;
pub mod scratch;

pub mod proxy;

pub mod debian_registry;

pub mod docker;

pub mod package_mirror;

pub mod programs;
