//! `NAME=VALUE` flags: build arguments, labels, annotations.

use std::collections::BTreeMap;

use lrops_model::annotation::{AnnotatedPart, Annotation, Annotations};
use lrops_model::platform::Platform;

use crate::configuration::BuildSection;
use crate::environment::Environment;
use crate::failure::Failure;

/// Build arguments: `SOURCE_DATE_EPOCH` of the environment, the file's, the flags'. A bare name takes its value from
/// the environment, and is left out when that has none.
pub(super) fn build_args(
    typed: &[String],
    section: &BuildSection,
    environment: &Environment,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut values = section.args.clone();
    if let Some(epoch) = environment.get("SOURCE_DATE_EPOCH") {
        values.insert("SOURCE_DATE_EPOCH".to_owned(), epoch.to_owned());
    }
    for text in typed {
        match text.split_once('=') {
            Some(("", _)) => return Err(Failure::usage(format!("--build-arg: {text:?} has no name"))),
            Some((name, value)) => {
                values.insert(name.to_owned(), value.to_owned());
            }
            None => {
                if let Some(value) = environment.exact(text) {
                    values.insert(text.clone(), value.to_owned());
                }
            }
        }
    }
    Ok(values)
}

/// Labels: the file's, then the flags'.
pub(super) fn labels(typed: &[String], section: &BuildSection) -> BTreeMap<String, String> {
    let mut labels = section.labels.clone();
    for text in typed {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        labels.insert(name.to_owned(), value.to_owned());
    }
    labels
}

/// Says which annotations are for parts that the image does not have.
///
/// # Errors
/// When one is for a platform that is not among several: BuildKit refuses it too. Who builds one platform of several may
/// well leave the others' annotations where they are.
pub(super) fn of_absent_parts(typed: &[String], platforms: &[Platform]) -> Result<Vec<String>, Failure> {
    let mut notices = Vec::new();
    for text in typed {
        let parts = text.parse::<Annotation>().map(|annotation| annotation.parts);
        let parts = parts.unwrap_or_default();
        let is_built = |platform: &&Platform| platforms.contains(platform);
        let foreign = parts
            .iter()
            .filter_map(AnnotatedPart::platform)
            .find(|platform| !is_built(platform));
        match (foreign, platforms) {
            (Some(foreign), [only]) => notices.push(format!(
                "--annotation {text}: {foreign} is not built, but {only} alone"
            )),
            (Some(foreign), _) => {
                return Err(Failure::usage(format!(
                    "--annotation {text}: {foreign} is not built, but {}",
                    listed(platforms)
                )));
            }
            (None, [_]) if parts == [AnnotatedPart::Index] => notices.push(format!(
                "--annotation {text}: an image for one platform has no index"
            )),
            (None, _) => {}
        }
    }
    Ok(notices)
}

fn listed(platforms: &[Platform]) -> String {
    let platforms: Vec<String> = platforms.iter().map(ToString::to_string).collect();
    platforms.join(", ")
}

/// Annotations: the file's, the flags', and those of outputs.
pub(super) fn annotations(
    typed: &[String],
    section: &BuildSection,
    of_outputs: &[(String, String)],
) -> Result<Annotations, Failure> {
    let everywhere = |(name, value): (&String, &String)| Annotation::everywhere(name, value);
    let mut annotations: Vec<Annotation> = section.annotations.iter().map(everywhere).collect();
    for text in typed {
        annotations.push(super::flag("--annotation", text.parse())?);
    }
    annotations.extend(of_outputs.iter().map(|(name, value)| everywhere((name, value))));
    Ok(Annotations(annotations))
}
