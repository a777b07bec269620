//! The registry in the process, the proxy and the mirror of packages, asked in raw HTTP.

mod access;
mod client;
mod docker;
mod faults;
mod package_mirror;
mod proxy;
mod pull;
mod uploads;
