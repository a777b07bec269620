//! Bases from a small signed Alpine archive.

mod building;
mod files;
mod refusing;
mod resolving;
mod scene;
