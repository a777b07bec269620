//! BuildKit's names of steps.

use lrops_model::event::StepName;
use lrops_model::graph::StepLabel;
use lrops_model::platform::Platform;

/// Reads a name such as `[linux/amd64->arm64 build 2/5] RUN go build`. What has no place in a stage is an activity:
/// `[internal] load build context`, `exporting to image`.
pub(crate) fn step_name(name: &str) -> StepName {
    match label(name) {
        Some(label) => StepName::Step(label),
        None => StepName::Activity(name.split_whitespace().collect::<Vec<_>>().join(" ")),
    }
}

fn label(name: &str) -> Option<StepLabel> {
    let (place, instruction) = name.strip_prefix('[')?.split_once(']')?;
    let mut words: Vec<&str> = place.split(' ').filter(|word| !word.is_empty()).collect();
    let (position, total) = words.pop()?.split_once('/')?;
    let (position, total) = (position.parse().ok()?, total.parse().ok()?);
    // The stage has no space in its name, and the platforms come before it.
    let first_is_platform = words.first().is_some_and(|word| word.contains('/'));
    let (runs_on, target) = match first_is_platform.then(|| words.remove(0)) {
        Some(crossing) => platforms(crossing)?,
        None => (None, None),
    };
    Some(StepLabel {
        stage: words.first().copied().unwrap_or_default().to_owned(),
        position,
        total,
        instruction: instruction.trim().to_owned(),
        platforms: target.into_iter().collect(),
        stage_platform: runs_on,
        ..StepLabel::default()
    })
}

/// Reads `linux/arm64`, or `linux/amd64->arm64`: where it runs, and for which platform.
fn platforms(text: &str) -> Option<(Option<Platform>, Option<Platform>)> {
    let (own, target) = match text.split_once("->") {
        None => (text.parse::<Platform>().ok()?, None),
        Some((own, target)) => {
            let own: Platform = own.parse().ok()?;
            // The same system is left out.
            let full = format!("{}/{target}", own.os);
            let target = full.parse().or_else(|_| target.parse()).ok()?;
            (own, Some(target))
        }
    };
    let target: Platform = target.unwrap_or_else(|| own.clone());
    Some((Some(own), Some(target)))
}
