//! What cross-compilation saves: the same Dockerfile, but its tools run under QEMU for one foreign platform.

use std::fs;
use std::path::Path;
use std::time::Duration;

use lrops_dockerfile::instruction::Dockerfile;
use lrops_model::platform::Platform;

use crate::builder::{BUILD_LIMIT, Builder};
use crate::example::{Example, read};
use crate::images::Images;
use crate::meter::Figures;
use crate::options::Program;
use crate::report::seconds;

/// The longest that a stage may take under emulation.
const EMULATION_LIMIT: Duration = Duration::from_mins(12);

/// The architecture that is built for.
pub(crate) fn foreign() -> Platform {
    let name = if Platform::host().architecture == "arm64" {
        "linux/amd64"
    } else {
        "linux/arm64"
    };
    name.parse().expect("a platform")
}

/// Measures each stage that runs on the build platform, natively and emulated, and returns a table.
pub(crate) fn measure(example: &Example, images: &Images, directory: &Path) -> String {
    let platform = foreign();
    let mut table = format!(
        "`examples/{}` for {platform} with lrops, once: each stage from nothing, on the platform that builds and under QEMU.\n\n\
         | stage | cross s | emulated s | ratio | cross, processor s | emulated, processor s |\n\
         |---|---:|---:|---:|---:|---:|\n",
        example.name
    );
    let (dockerfile, _) = Dockerfile::parse(&read(&example.directory.join(&example.dockerfile)));
    let stages = dockerfile
        .stages
        .iter()
        .filter(|stage| stage.from.platform.is_some());
    let mut begun: Vec<String> = Vec::new();
    for name in stages.filter_map(|stage| stage.name.clone()) {
        let run = |kind: &str, policy: &str, change: &dyn Fn(&str) -> String| {
            let place = directory.join(format!("{kind}-{name}"));
            let builder = Builder::new(Program::Lrops, example, images, &place);
            let file = builder.example.directory.join(&builder.example.dockerfile);
            let written = read(&file);
            let build = |text: String, policy: &str, limit: Duration| {
                fs::write(&file, text).expect("a Dockerfile can be written");
                builder.run(std::slice::from_ref(&platform), &[policy], limit)
            };
            // What the stage takes from those before it is not of its own time.
            for stage in &begun {
                let ready = build(ending_with(&written, stage), "--emulation=deny", BUILD_LIMIT);
                ready.unwrap_or_else(|said| panic!("{said}"));
            }
            build(ending_with(&change(&written), &name), policy, EMULATION_LIMIT)
        };
        let cross = run("cross", "--emulation=deny", &str::to_owned).unwrap_or_else(|said| panic!("{said}"));
        let emulated = run("emulated", "--emulation=allow", &|text| {
            on_the_target(text, &name)
        });
        table.push_str(&row(&name, cross, &emulated));
        begun.push(name);
    }
    table
}

fn row(stage: &str, cross: Figures, emulated: &Result<Figures, String>) -> String {
    let (wall, processor) = (seconds(cross.wall), seconds(cross.processor));
    match emulated {
        Ok(emulated) => format!(
            "| {stage} | {wall} | {} | {:.1} | {processor} | {} |\n",
            seconds(emulated.wall),
            emulated.wall.as_secs_f64() / cross.wall.as_secs_f64(),
            seconds(emulated.processor),
        ),
        Err(said) => {
            eprintln!("{stage}, emulated: {said}");
            let said = said.lines().last().unwrap_or_default();
            format!("| {stage} | {wall} | {said} | | {processor} | |\n")
        }
    }
}

/// Adds a last stage that needs a stage whole and takes next to nothing of it: no image is made of tools.
fn ending_with(dockerfile: &str, stage: &str) -> String {
    format!("{dockerfile}\nFROM scratch AS measured\nCOPY --from={stage} /etc/passwd /\n")
}

/// Takes the platform away from the line that opens a stage.
fn on_the_target(dockerfile: &str, stage: &str) -> String {
    let opens =
        |line: &str| line.starts_with("FROM ") && line.to_lowercase().ends_with(&format!(" as {stage}"));
    let change = |line: &str| {
        if opens(line) {
            line.replace("--platform=$BUILDPLATFORM ", "")
        } else {
            line.to_owned()
        }
    };
    let lines: Vec<String> = dockerfile.lines().map(change).collect();
    lines.join("\n") + "\n"
}
