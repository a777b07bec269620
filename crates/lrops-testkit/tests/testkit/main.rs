//! The registry in the process and the proxy, asked in raw HTTP.

mod access;
mod client;
mod docker;
mod faults;
mod proxy;
mod pull;
mod uploads;
