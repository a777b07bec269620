//! Named contexts: which name in a Dockerfile means one.

use std::collections::BTreeSet;

use lrops_model::reference::Reference;

/// Names that are never looked up as contexts.
const NOT_CONTEXTS: [&str; 2] = ["scratch", "context"];

/// Returns whether a context was given for a name. The spellings of an image's name are one name.
pub(super) fn is_named_context(contexts: &BTreeSet<String>, name: &str) -> bool {
    if NOT_CONTEXTS.iter().any(|other| other.eq_ignore_ascii_case(name)) {
        return false;
    }
    let wanted = normal_name(name);
    contexts.contains(name) || contexts.iter().any(|context| normal_name(context) == wanted)
}

/// `docker.io/library/node:latest`, `node:latest` and `node` are one name.
fn normal_name(name: &str) -> String {
    let Ok(reference) = name.parse::<Reference>() else {
        return name.to_owned();
    };
    let familiar = reference.familiar();
    familiar.strip_suffix(":latest").unwrap_or(&familiar).to_owned()
}
