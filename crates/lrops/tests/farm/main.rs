//! The build farm, with real docker: daemons, builders, contexts over ssh, and registries that fail.

#[path = "../builds/laboratory.rs"]
#[expect(dead_code, reason = "these tests need less of it than others")]
mod laboratory;

mod builders;
mod delivery;
mod doctor;
mod engines;
mod guide;
mod nodes;
mod refusals;
mod remote;
mod retries;
mod workshop;
