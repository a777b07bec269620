//! `lrops version`: which version the project is at.

use std::fmt::Write;
use std::path::Path;

use lrops_model::timestamp::Timestamp;
use serde::Serialize;

use super::{print, print_json, say};
use crate::arguments::{BuildTime, Format, VersionArguments};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::git::Repository;
use crate::report;
use crate::version::{Latest, Version, image_tags, latest_notice};

/// Prints the version, alone or with what it comes from.
///
/// # Errors
/// When git does not know the project, or it has no commit.
pub(super) fn run(arguments: &VersionArguments, environment: &Environment) -> Result<(), Failure> {
    let version = repository(arguments.path.as_deref(), environment)?.describe()?;
    if let Some(notice) = version.notice() {
        say(&report::notice(&notice));
    }
    if arguments.build_info {
        let time = match arguments.build_time {
            BuildTime::Commit => version.facts.commit_time,
            BuildTime::Now => environment.now,
        };
        return print(&build_info(&version, time));
    }
    match arguments.format {
        Format::Text if !arguments.json => print(&format!("{}\n", version.name)),
        _ => {
            let latest = arguments.latest.wish();
            if let Some(notice) = latest_notice(&version, latest) {
                say(&report::notice(&notice));
            }
            print_json(&Document::of(&version, latest))
        }
    }
}

/// Opens the repository of a directory, the working directory unless one was named.
pub(super) fn repository(path: Option<&Path>, environment: &Environment) -> Result<Repository, Failure> {
    let path = path.map_or_else(
        || environment.directory.clone(),
        |path| environment.absolute(path),
    );
    if !path.is_dir() {
        return Err(Failure::usage(format!(
            "there is no directory {}",
            path.display()
        )));
    }
    Ok(Repository::open(&path, environment)?)
}

fn build_info(version: &Version, time: Timestamp) -> String {
    let mut lines = String::new();
    for (name, value) in version.build_arguments(time) {
        let _ = writeln!(lines, "{name}={value}");
    }
    lines
}

/// The version as JSON.
#[derive(Serialize)]
struct Document<'a> {
    version: String,
    tag: Option<&'a str>,
    commit: &'a str,
    short_commit: &'a str,
    commit_time: String,
    is_release: bool,
    is_modified: bool,
    distance: Option<u64>,
    image_tags: Vec<String>,
}

impl<'a> Document<'a> {
    fn of(version: &'a Version, latest: Latest) -> Self {
        let facts = &version.facts;
        let nearest = facts.nearest.as_ref();
        Self {
            version: version.name.to_string(),
            tag: nearest.map(|nearest| nearest.tag.name.as_str()),
            commit: &facts.commit,
            short_commit: version.short_commit(),
            commit_time: facts.commit_time.to_string(),
            is_release: version.is_release(),
            is_modified: facts.is_modified,
            distance: nearest.map(|nearest| nearest.distance),
            image_tags: image_tags(version, latest),
        }
    }
}
