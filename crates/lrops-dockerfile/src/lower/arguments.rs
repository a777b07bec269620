//! Build arguments: predefined ones, those before the first `FROM`, and what the command line says of them.

use std::collections::BTreeMap;

use lrops_model::platform::Platform;

use super::environment::Environment;

/// Returns the arguments that exist without being declared, for `FROM` lines; a stage gets each by declaring it.
///
/// Reference: "Automatic platform ARGs in the global scope".
pub(super) fn predefined(
    build: &Platform,
    target: &Platform,
    target_stage: &str,
    build_args: &BTreeMap<String, String>,
) -> Environment {
    let variant = |platform: &Platform| platform.variant.clone().unwrap_or_default();
    let values = [
        ("BUILDPLATFORM", build.to_string()),
        ("BUILDOS", build.os.clone()),
        ("BUILDOSVERSION", String::new()),
        ("BUILDARCH", build.architecture.clone()),
        ("BUILDVARIANT", variant(build)),
        ("TARGETPLATFORM", target.to_string()),
        ("TARGETOS", target.os.clone()),
        ("TARGETOSVERSION", String::new()),
        ("TARGETARCH", target.architecture.clone()),
        ("TARGETVARIANT", variant(target)),
        ("TARGETSTAGE", target_stage.to_owned()),
    ];
    let mut arguments = Environment::default();
    for (name, value) in values {
        arguments.set(name, build_args.get(name).unwrap_or(&value));
    }
    arguments
}
