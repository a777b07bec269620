//! What `lrops init` makes of a project: from its files to facts, and from facts to the texts of new files.
//!
//! The way of a project: [`files`] holds its names and texts; [`go`], [`rust`] and [`node`] read the facts of each kind
//! out of them; [`project`] decides what is built; [`dockerfile`], [`configuration`] and [`ignore`] write it down.
//!
//! Invariants: no I/O: reading and writing are `commands::init`'s · the same files give the same texts · a text that is
//! broken is a [`Mistake`] with its place, and never guessed at.

mod configuration;
mod dockerfile;
mod files;
mod go;
mod ignore;
mod mistake;
mod node;
mod project;
mod rust;

use crate::configuration::FILE_NAME;

pub(crate) use files::{Files, is_left_out, is_read};
pub(crate) use mistake::Mistake;
pub(crate) use project::{Kind, Project};

/// The Dockerfile's usual name.
pub(crate) const DOCKERFILE: &str = "Dockerfile";

/// The ignore file's name.
pub(crate) const IGNORE_FILE: &str = ".dockerignore";

/// The platforms that a new project is built for.
pub(crate) const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// A file that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its text.
    pub(crate) text: String,
}

/// Returns the files that a project of this kind needs, in the order in which they are read.
pub(crate) fn documents(project: &Project) -> Vec<Document> {
    let configuration = Document {
        name: FILE_NAME,
        text: configuration::text(project),
    };
    let mut documents = vec![configuration];
    if let Some(text) = dockerfile::text(project) {
        documents.push(Document {
            name: DOCKERFILE,
            text,
        });
        documents.push(Document {
            name: IGNORE_FILE,
            text: ignore::text(project),
        });
    }
    documents
}
