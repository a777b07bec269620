//! What a step is called.

use lrops_model::event::StepName;
use lrops_model::graph::StepLabel;
use lrops_model::platform::Platform;

/// The longest instruction that is shown, in characters. A heredoc would fill the screen.
const INSTRUCTION_LENGTH_MAX: usize = 200;

/// Returns what people see of an activity: `[linux/arm64 build 2/4] RUN go build`.
///
/// A step that serves several platforms names them and says that it is done once:
/// `[ui 2/4 · once for linux/amd64, linux/arm64] RUN npm ci`. One whose programs are emulated says so:
/// `[linux/arm64 build 2/4 · emulated] RUN go build`.
pub(super) fn title(name: &StepName, platforms: usize) -> String {
    match name {
        StepName::Activity(text) => text.clone(),
        StepName::Step(label) => format!(
            "[{}{}] {}",
            place(label, platforms),
            if label.emulated { " · emulated" } else { "" },
            instruction_line(&label.instruction)
        ),
    }
}

fn place(label: &StepLabel, platforms: usize) -> String {
    let position = if label.stage.is_empty() {
        format!("{}/{}", label.position, label.total)
    } else {
        format!("{} {}/{}", label.stage, label.position, label.total)
    };
    match &label.platforms[..] {
        // With one platform asked for there is nothing to tell apart.
        _ if platforms < 2 => position,
        [] => position,
        [platform] => format!("{} {position}", crossing(label.stage_platform.as_ref(), platform)),
        several => format!("{position} · once for {}", listed(several, platforms)),
    }
}

/// `linux/amd64->arm64`: runs on the one, for the other. BuildKit writes it so.
fn crossing(runs_on: Option<&Platform>, target: &Platform) -> String {
    match runs_on {
        Some(own) if own != target => {
            let target = target.to_string();
            let short = target.strip_prefix(&format!("{}/", own.os)).unwrap_or(&target);
            format!("{own}->{short}")
        }
        _ => target.to_string(),
    }
}

fn listed(several: &[Platform], platforms: usize) -> String {
    if several.len() == platforms && platforms > 3 {
        return format!("all {platforms} platforms");
    }
    several
        .iter()
        .map(Platform::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Returns an instruction in one line of bearable length.
pub(crate) fn instruction_line(instruction: &str) -> String {
    let mut line = instruction.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(INSTRUCTION_LENGTH_MAX) {
        line.truncate(end);
        line.push('…');
    }
    line
}
