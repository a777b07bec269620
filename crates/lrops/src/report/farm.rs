//! What to do about failures of the build farm.

use std::time::Duration;

use lrops_buildx::{BuilderPlace, BuildxError, Docker, KnownFailure, Site, context_endpoint};
use lrops_model::cancel::CancelToken;

use crate::amounts;

/// How long an error waits for docker to say where a context is, which it reads from a file.
const ENDPOINT_TIME_LIMIT: Duration = Duration::from_secs(5);

/// Returns the likely cause of a known failure, and what to try.
pub(crate) fn known_advice(known: KnownFailure, place: &BuilderPlace) -> String {
    let endpoint = endpoint(known, place);
    let cures = known.cures(Site::of(place).at(endpoint.as_deref()));
    let cures = cures.into_iter().map(|cure| format!("\n  - {cure}"));
    format!(
        "{} ({})\nto try:{}",
        known.cause(),
        known.name(),
        cures.collect::<String>()
    )
}

/// Returns where the place's daemon is, when that says what to do. No daemon is asked, and who cannot tell says nothing:
/// it is the first failure that has to be told.
fn endpoint(known: KnownFailure, place: &BuilderPlace) -> Option<String> {
    if known != KnownFailure::SshFailed {
        return None;
    }
    let docker = Docker::new(place.clone(), CancelToken::new()).with_patience(ENDPOINT_TIME_LIMIT);
    context_endpoint(&docker).ok()
}

/// Returns what to do about a build that buildx failed to carry out: likely causes, what to try, and the command to
/// paste.
pub(super) fn buildx_advice(error: &BuildxError) -> String {
    let tried = match error.attempts {
        0 | 1 => String::new(),
        attempts => format!("tried {}; ", amounts::count(attempts, "time")),
    };
    let known = match error.known {
        Some(known) => format!("likely cause: {}", known_advice(known, &error.place)),
        None if error.output.trim().is_empty() => String::new(),
        None => format!("it said:\n{}", indented(&error.output)),
    };
    let rest = if error.does_all {
        ""
    } else {
        "\nthen the same lrops command again: it finds all built, proves the image, and names and publishes it"
    };
    format!("{tried}{known}\nby hand:\n  {}{rest}", error.command)
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}
