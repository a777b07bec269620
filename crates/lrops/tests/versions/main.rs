//! `lrops version` and `lrops bump`, with the program as a user starts it, on real git repositories.

mod bump;
mod project;
mod state;
