//! `--platform`: for which platforms an image is built.

use lrops_model::platform::Platform;

use crate::arguments::BuildArguments;
use crate::configuration::Configuration;
use crate::environment::Environment;
use crate::failure::Failure;

/// Finds the target platforms: flags, then environment, then `lrops.toml`, then this machine.
///
/// # Errors
/// When one is no platform, or two flags say the same.
pub(super) fn platforms(
    arguments: &BuildArguments,
    configuration: &Configuration,
    environment: &Environment,
) -> Result<Vec<Platform>, Failure> {
    let older = &arguments.older;
    if !arguments.platform.is_empty() && !older.architectures.is_empty() {
        return Err(Failure::usage(
            "--platform and --architectures say the same; give one of them",
        ));
    }
    if !arguments.platform.is_empty() {
        return parse_platforms("--platform", &arguments.platform);
    }
    if !older.architectures.is_empty() {
        return parse_platforms("--architectures", &older.architectures);
    }
    if let Some(text) = environment.get("DOCKER_DEFAULT_PLATFORM") {
        return parse_platforms("DOCKER_DEFAULT_PLATFORM", &[text.to_owned()]);
    }
    let configured = &configuration.sections.build.platforms;
    Ok(match (configured.is_empty(), older.multiarch) {
        (false, _) => without_repetition(configured.clone()),
        (true, true) => vec![
            Platform::new("linux", "amd64", None),
            Platform::new("linux", "arm64", None),
        ],
        (true, false) => vec![Platform::host()],
    })
}

/// Reads platforms, several in one text or in several texts; `local` is this machine's.
///
/// # Errors
/// When one is no platform.
pub(crate) fn parse_platforms(name: &str, texts: &[String]) -> Result<Vec<Platform>, Failure> {
    let words = texts
        .iter()
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|word| !word.is_empty());
    let platforms = words.map(|word| match word {
        "local" => Ok(Platform::host()),
        word => super::flag(name, word.parse()),
    });
    let platforms = without_repetition(platforms.collect::<Result<_, _>>()?);
    if platforms.is_empty() {
        return Err(Failure::usage(format!("{name} names no platform")));
    }
    Ok(platforms)
}

fn without_repetition(platforms: Vec<Platform>) -> Vec<Platform> {
    let mut kept: Vec<Platform> = Vec::new();
    for platform in platforms {
        if !kept.contains(&platform) {
            kept.push(platform);
        }
    }
    kept
}
