//! `lrops version`, `lrops bump`, and what builds know of versions, with the program as a user starts it, on real git repositories.

mod builds;
mod bump;
mod project;
mod state;
