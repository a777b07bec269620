//! Architectures in the names of files.

use super::shell::Script;

/// Names of architectures in the names of files.
const ARCHITECTURES: [&str; 6] = ["amd64", "x86_64", "x64", "arm64", "aarch64", "armv7"];

/// Returns the architecture that an address is named for.
pub(super) fn architecture_in(url: &str) -> Option<&'static str> {
    // An address with a variable in it may vary by that.
    if url.contains('$') {
        return None;
    }
    let parts: Vec<&str> = url.split(|next: char| "-_./:".contains(next)).collect();
    let is_whole = |name: &&&str| {
        let mut names = parts.iter();
        // `x86_64` is two parts.
        names.any(|part| part == *name) || (name.contains('_') && url.contains(**name))
    };
    ARCHITECTURES.iter().find(is_whole).copied()
}

/// Returns the architecture that a `case` over platforms falls back to. The text is the script's.
pub(super) fn fallback(text: &str, script: &Script) -> Option<&'static str> {
    let is_about_platforms = script.takes("TARGETARCH") || script.takes("TARGETPLATFORM");
    if !is_about_platforms || !text.contains("case ") {
        return None;
    }
    let (_, after) = text.rsplit_once("*)")?;
    let branch = after.split(";;").next()?.split("esac").next()?;
    let is_assigned = |name: &&&str| {
        let ends = [format!("={name}"), format!("=\"{name}\""), format!("='{name}'")];
        ends.iter().any(|end| branch.contains(end.as_str()))
    };
    ARCHITECTURES.iter().find(is_assigned).copied()
}
