//! `.dockerignore`: what a build does not need.

use std::fmt::Write;

use super::project::{InterfacePlace, Kind, Project};
use crate::configuration::FILE_NAME;

/// Returns the file's text.
pub(super) fn text(project: &Project) -> String {
    let mut text = "# What is listed here is not sent to the build, changes no cache key and cannot get into an image.\n\n\
                    # Made by tools: each build makes its own.\n"
        .to_owned();
    for pattern in made(project) {
        let _ = writeln!(text, "{pattern}");
    }
    let _ = write!(
        text,
        "\n# Read by people and by lrops, not by the build.\n.git\n.dockerignore\nDockerfile*\n{FILE_NAME}\n\n\
         # What must not get into an image by accident.\n**/.env\n**/.env*.local\n"
    );
    text
}

/// Returns what tools leave in the project.
fn made(project: &Project) -> Vec<String> {
    let mut made = Vec::new();
    let server = match &project.kind {
        Kind::Rust(_) => {
            made.push("**/target".to_owned());
            None
        }
        Kind::Server(package) => Some(package),
        _ => None,
    };
    if server.is_some() || project.interface.is_some() {
        made.push("**/node_modules".to_owned());
    }
    if let Some(package) = &project.interface {
        made.push(package.output.directory.clone());
    }
    match &project.interface_place {
        InterfacePlace::Sources(path) if !made.contains(path) => made.push(path.clone()),
        _ => {}
    }
    made.push("out".to_owned());
    made
}
