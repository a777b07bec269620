//! Pushing into a registry, over a line and into hands that fail as told.

mod catalog;
mod damage;
mod faults;
mod mounts;
mod order;
mod registries;
mod resume;
mod scene;
mod silence;
mod tokens;
