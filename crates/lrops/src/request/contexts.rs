//! Named contexts: from `--build-context`, then `[contexts]`, then `[bases]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lrops_model::request::{NamedContext, NestedBuild};

use super::places;
use crate::configuration::{Configuration, ContextEntry, ContextPlace, NestedEntry};
use crate::environment::Environment;
use crate::failure::Failure;

/// Finds all named contexts. A flag replaces an entry of the file, and an entry replaces a base of its name.
pub(super) fn find(
    typed: &[String],
    configuration: &Configuration,
    environment: &Environment,
) -> Result<BTreeMap<String, NamedContext>, Failure> {
    let sections = &configuration.sections;
    let mut contexts: BTreeMap<String, NamedContext> = sections
        .bases
        .keys()
        .map(|name| (name.clone(), NamedContext::Base(name.clone())))
        .collect();
    let directory = configuration.directory().unwrap_or(&environment.directory);
    for (name, entry) in &sections.contexts {
        let context = match entry {
            ContextEntry::Place(place) => from_place(name, place, directory, configuration)?,
            ContextEntry::Nested(nested) => {
                NamedContext::Dockerfile(Box::new(nested_build(name, nested, directory)?))
            }
        };
        contexts.insert(name.clone(), context);
    }
    for text in typed {
        let Some((name, place)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Failure::usage(format!(
                "--build-context: {text:?} is not NAME=PLACE"
            )));
        };
        let place: ContextPlace = super::flag("--build-context", place.parse())?;
        contexts.insert(
            name.to_owned(),
            from_place(name, &place, &environment.directory, configuration)?,
        );
    }
    Ok(contexts)
}

fn from_place(
    name: &str,
    place: &ContextPlace,
    directory: &Path,
    configuration: &Configuration,
) -> Result<NamedContext, Failure> {
    match place {
        ContextPlace::Directory(path) => {
            let path = places::canonical_directory(&format!("the context {name:?}"), &directory.join(path))?;
            // BuildKit applies the ignore file at the top of a named context, too.
            Ok(NamedContext::Directory(places::with_ignore(path, None)?))
        }
        ContextPlace::Layout(path, selector) => {
            let path = places::canonical_directory(&format!("the layout {name:?}"), &directory.join(path))?;
            if !path.join("oci-layout").exists() {
                return Err(Failure::usage(format!(
                    "the context {name:?}: {} is no OCI layout",
                    path.display()
                )));
            }
            Ok(NamedContext::Layout {
                path,
                selector: selector.clone(),
            })
        }
        ContextPlace::Image(reference) => Ok(NamedContext::Image(reference.clone())),
        ContextPlace::Base(base) if configuration.sections.bases.contains_key(base) => {
            Ok(NamedContext::Base(base.clone()))
        }
        ContextPlace::Base(base) => {
            let known: Vec<&str> = configuration.sections.bases.keys().map(String::as_str).collect();
            let message = format!("the context {name:?}: there is no base {base:?} in lrops.toml");
            Err(Failure::Usage {
                message,
                advice: super::host::nearest(base, &known),
            })
        }
        ContextPlace::Remote(text) => Err(Failure::not_yet(
            format!("the context {text}"),
            "download or clone it, and name the directory",
        )),
    }
}

fn nested_build(name: &str, nested: &NestedEntry, directory: &Path) -> Result<NestedBuild, Failure> {
    let path = directory.join(&nested.dockerfile);
    let dockerfile = places::read_dockerfile(&nested.dockerfile.display().to_string(), &path)?;
    let context = match &nested.context {
        Some(context) => directory.join(context),
        None => path.parent().map_or_else(|| directory.to_owned(), PathBuf::from),
    };
    let context = places::canonical_directory(&format!("the context of {name:?}"), &context)?;
    Ok(NestedBuild {
        dockerfile,
        context: places::with_ignore(context, Some(&path))?,
        target: nested.target.clone(),
        build_args: nested.args.clone(),
    })
}
