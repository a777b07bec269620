//! `lrops release`, and the targets of the Makefile, on real git repositories and registries.

#[path = "../versions/project.rs"]
#[expect(dead_code, reason = "these tests need less of it than others")]
mod project;

mod farm;
mod flow;
mod hello;
mod hooks;
mod interruption;
mod make;
mod sample;
mod tree;
