//! Registries that misbehave as told, and who and where we are when we ask them.

mod authorization;
mod case;
mod content;
mod credentials;
mod faults;
mod login;
mod mirrors;
mod service;
mod trust;
