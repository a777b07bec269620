//! Real builds through the program, each with a store of its own.
//!
//! The tests run as root, as CI does, and become an ordinary user where that is the point. Their base image is made of
//! Debian's static busybox by lrops itself.

mod alpine;
mod cache;
mod checks;
mod contexts;
mod failure;
mod interoperation;
mod laboratory;
mod lifetime;
mod proof;
mod publishing;
mod registries;
mod resuming;
mod sandbox;
mod users;
