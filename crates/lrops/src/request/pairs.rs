//! `NAME=VALUE` flags: build arguments, labels, annotations.

use std::collections::BTreeMap;

use lrops_model::annotation::{AnnotatedPart, Annotation, Annotations};

use crate::arguments::EngineName;
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

/// Says which annotations are for an index, where there is none.
pub(super) fn of_no_index(typed: &[String]) -> impl Iterator<Item = String> {
    let is_for_index = |text: &&String| {
        let parts = text.parse::<Annotation>().map(|annotation| annotation.parts);
        parts.is_ok_and(|parts| parts == [AnnotatedPart::Index])
    };
    let typed = typed.iter().filter(is_for_index);
    typed.map(|text| format!("--annotation {text}: an image for one platform has no index"))
}

/// Annotations: the file's, the flags', and those of outputs.
pub(super) fn annotations(
    typed: &[String],
    section: &BuildSection,
    of_outputs: &[(String, String)],
    engine: EngineName,
) -> Result<Annotations, Failure> {
    let everywhere = |(name, value): (&String, &String)| Annotation::everywhere(name, value);
    let mut annotations: Vec<Annotation> = section.annotations.iter().map(everywhere).collect();
    for text in typed {
        let annotation: Annotation = super::flag("--annotation", text.parse())?;
        // Which a layout's own index holds: names in the store are not written by wish.
        let of_layout = annotation.parts.contains(&AnnotatedPart::IndexDescriptor);
        if of_layout && engine == EngineName::Embedded {
            return Err(Failure::not_yet(
                format!("--annotation {text}"),
                "annotate the index itself: index:NAME=VALUE",
            ));
        }
        annotations.push(annotation);
    }
    annotations.extend(of_outputs.iter().map(|(name, value)| everywhere((name, value))));
    Ok(Annotations(annotations))
}
