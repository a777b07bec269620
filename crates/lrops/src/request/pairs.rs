//! `NAME=VALUE` flags: build arguments, labels, annotations.

use std::collections::BTreeMap;

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

/// Annotations: the file's, then the flags', whose names may have a prefix that says what is annotated.
pub(super) fn annotations(
    typed: &[String],
    section: &BuildSection,
    notices: &mut Vec<String>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut annotations = section.annotations.clone();
    for text in typed {
        let Some((name, value)) = text.split_once('=') else {
            return Err(Failure::usage(format!(
                "--annotation: {text:?} is not NAME=VALUE"
            )));
        };
        let name = match name.split_once(':') {
            Some((kinds, name)) if kinds.split(',').all(is_kind) => {
                refuse_unsupported(kinds, text)?;
                if !kinds.contains(',') {
                    notices.push(format!(
                        "--annotation {text}: lrops annotates the index and the manifests alike"
                    ));
                }
                name
            }
            _ => name,
        };
        annotations.insert(name.to_owned(), value.to_owned());
    }
    Ok(annotations)
}

/// The kinds of documents that buildx knows, without the platform that may follow in brackets.
fn is_kind(text: &str) -> bool {
    let kind = text.split('[').next().unwrap_or_default();
    matches!(
        kind,
        "manifest" | "index" | "manifest-descriptor" | "index-descriptor"
    )
}

fn refuse_unsupported(kinds: &str, text: &str) -> Result<(), Failure> {
    if kinds.contains("descriptor") || kinds.contains('[') {
        let advice = "leave the prefix out: lrops annotates the index and the manifests alike";
        return Err(Failure::not_yet(format!("--annotation {text}"), advice));
    }
    Ok(())
}
