//! Pushing into a registry, over a line and into hands that fail as told.

mod catalog;
mod damage;
mod debian;
mod faults;
mod mounts;
mod observers;
mod order;
mod pulls;
mod registries;
mod resume;
mod scene;
mod silence;
mod tokens;
