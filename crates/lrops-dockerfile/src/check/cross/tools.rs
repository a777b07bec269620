//! Tools that run on the target's platform, and make something for another stage.

use lrops_model::finding::Edit;

use super::command::Command;
use super::go::{is_crossing, setting_behind};
use super::stages::Gift;
use super::{Cross, Remark};
use crate::check::rules;
use crate::check::shell::Call;
use crate::instruction::{Instruction, Stage};

/// Commands that compile or bundle, with the word that has to follow.
const TOOLS: [(&str, &[&str]); 15] = [
    ("go", &["build", "install", "mod", "generate"]),
    ("cargo", &["build", "install"]),
    ("npm", &["ci", "install", "run"]),
    ("pnpm", &["install", "run", "build"]),
    ("yarn", &["install", "run", "build"]),
    ("bun", &["install", "run", "build"]),
    ("make", &[]),
    ("gcc", &[]),
    ("g++", &[]),
    ("cmake", &[]),
    ("mvn", &[]),
    ("mvnw", &[]),
    ("gradle", &[]),
    ("gradlew", &[]),
    ("dotnet", &["build", "publish", "restore"]),
];

/// Programs of which a page's files are made.
const BUNDLERS: [&str; 4] = ["npm", "pnpm", "yarn", "bun"];

/// What a page's files are usually called; they are the same for all platforms.
const BUNDLES: [&str; 6] = ["dist", "build", "public", "static", "out", "www"];

/// Programs that do the same with a file of whatever platform.
const HARMLESS: [&str; 9] = [
    "chmod",
    "chown",
    "mkdir",
    "ls",
    "rm",
    "stat",
    "du",
    "touch",
    "sha256sum",
];

/// What changes the directory in which the next commands run.
const MOVES: [&str; 3] = ["cd", "pushd", "popd"];

/// Files of distributions that are the same for all platforms.
const SAME_EVERYWHERE: [&str; 6] = [
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/passwd",
    "/etc/group",
    "/usr/share/zoneinfo",
    "/usr/local/go/lib/time/zoneinfo.zip",
];

impl<'a> Cross<'a> {
    /// A stage with tools that runs on the target's platform. Said where the platform is chosen: at the first of the
    /// stages that start from each other; where the image that is built starts from that one too, at the stage with the
    /// tools.
    pub(super) fn tools(&mut self, stage: &'a Stage, commands: &[Vec<Command<'a>>]) {
        if self.platforms.len() < 2 || !self.family.runs_on_target(stage) {
            return;
        }
        let first = self.family.line(stage)[0];
        let members = self.family.with_descendants(first);
        let is_last = |member: &&Stage| member.index + 1 == self.dockerfile.stages.len();
        let is_shared = members.iter().any(is_last);
        let makers: Vec<&Stage> = if is_shared {
            vec![stage]
        } else if first.index == stage.index {
            members.clone()
        } else {
            return;
        };
        let gives = |maker: &&Stage| {
            let heirs = self.family.with_descendants(&self.dockerfile.stages[maker.index]);
            let is_taken = |heir: &&Stage| !self.family.gifts(heir).is_empty();
            heirs.iter().any(is_taken) && !heirs.iter().any(is_last)
        };
        let tools = makers.iter().copied().filter(gives).find_map(|maker| {
            let tool = commands[maker.index].iter().find_map(tool)?;
            Some((maker, tool))
        });
        let Some((maker, tool)) = tools else { return };
        let name = maker.name.clone().unwrap_or_else(|| maker.index.to_string());
        let remark = Remark {
            rule: rules::TOOLS_ON_TARGET_PLATFORM,
            message: format!(
                "the stage {name} runs `{tool}` once for each platform, and emulated for foreign ones"
            ),
            advice: if is_shared {
                "give it a base of its own, FROM --platform=$BUILDPLATFORM, and cross-compile".to_owned()
            } else {
                "begin it with FROM --platform=$BUILDPLATFORM, and cross-compile".to_owned()
            },
            cure: (!is_shared)
                .then(|| self.moved(stage, &members, commands))
                .flatten(),
        };
        self.warn(&stage.from.origin, remark);
    }

    /// Returns the edits that let stages run on the build platform and make the same as before. `None` where it cannot be
    /// told that they do.
    fn moved(
        &self,
        first: &'a Stage,
        members: &[&'a Stage],
        commands: &[Vec<Command<'a>>],
    ) -> Option<Vec<Edit>> {
        if members.iter().any(|member| self.family.is_final(member)) {
            return None;
        }
        let mut edits = vec![self.editor.with_build_platform(&first.from)?];
        let mut outputs: Vec<String> = Vec::new();
        let mut declared: Vec<(usize, &'static str)> = Vec::new();
        let each = || {
            members.iter().flat_map(|member| {
                commands[member.index]
                    .iter()
                    .map(move |command| (*member, command))
            })
        };
        let calls = || each().flat_map(|(_, command)| &command.script.calls);
        for (member, command) in each() {
            for call in command.script.calls.iter().filter(|call| tool_of(call).is_some()) {
                if is_go_build(call) {
                    let crossed = self.crossed(member, command, call, &mut declared)?;
                    outputs.push(self.output(member, command, call)?);
                    // One export is for several calls.
                    let new: Vec<Edit> = crossed.into_iter().filter(|edit| !edits.contains(edit)).collect();
                    edits.extend(new);
                } else if call.program() != "go" && !BUNDLERS.contains(&call.program()) {
                    return None;
                }
            }
        }
        let has_bundler = calls().any(|call| BUNDLERS.contains(&call.program()));
        let mut gifts = members.iter().flat_map(|member| self.family.gifts(member));
        let is_same = gifts.all(|gift| match gift {
            Gift::Path(path) => is_output(path, &outputs) || is_same_everywhere(path, has_bundler),
            Gift::Unknown => false,
        });
        let is_left_alone = !calls().any(|call| touches(call, &outputs));
        (is_same && is_left_alone && is_for_any_platform(first)).then_some(edits)
    }

    /// Returns where a `go build` writes to, as an absolute path. `None` where that is not told by the text.
    fn output(&self, stage: &'a Stage, command: &Command<'a>, call: &Call) -> Option<String> {
        let output = call.flag("-o")?;
        if output.starts_with('/') {
            return Some(output.to_owned());
        }
        if output.contains('$')
            || command
                .script
                .calls
                .iter()
                .any(|call| MOVES.contains(&call.program()))
        {
            return None;
        }
        let mut directory = String::new();
        for instruction in self.family.before(stage, command.origin) {
            if let Instruction::Workdir(workdir) = instruction {
                let path = workdir.path.as_str();
                if !path.starts_with('/') || path.contains(['$', '"', '\'']) {
                    return None;
                }
                path.trim_end_matches('/').clone_into(&mut directory);
            }
        }
        let name = output.strip_prefix("./").unwrap_or(output);
        (!directory.is_empty() && !name.starts_with("..")).then(|| format!("{directory}/{name}"))
    }

    /// Returns the edits that let a `go build` compile for the target. `None` where C may be part of it. `added` holds what
    /// other edits declare in which stage.
    fn crossed(
        &self,
        stage: &'a Stage,
        command: &Command<'a>,
        call: &Call,
        added: &mut Vec<(usize, &'static str)>,
    ) -> Option<Vec<Edit>> {
        let is_pure = call
            .setting("CGO_ENABLED")
            .is_some_and(|setting| setting.value == "0");
        if !is_pure {
            return None;
        }
        if is_crossing(call) {
            return Some(Vec::new());
        }
        if call.setting("GOARCH").is_some() || !command.is_exact {
            return None;
        }
        let mut names = vec!["TARGETARCH"];
        let mut settings = "GOARCH=$TARGETARCH".to_owned();
        if call.setting("GOOS").is_none() {
            names.insert(0, "TARGETOS");
            settings = format!("GOOS=$TARGETOS {settings}");
        }
        let declared = self.declared(stage, command);
        names.retain(|name| !declared.contains(name) && !added.contains(&(stage.index, *name)));
        added.extend(names.iter().map(|name| (stage.index, *name)));
        let behind = if call.own_setting("GOOS").is_some() {
            "GOOS"
        } else {
            "CGO_ENABLED"
        };
        let mut edits = vec![setting_behind(call, behind, &settings)?];
        if !names.is_empty() {
            edits.extend(self.editor.declare(stage, command.origin, &names));
        }
        Some(edits)
    }
}

/// Returns the tool that a command runs.
fn tool(command: &Command<'_>) -> Option<String> {
    command.script.calls.iter().find_map(tool_of)
}

fn tool_of(call: &Call) -> Option<String> {
    let (program, verbs) = TOOLS.iter().find(|(program, _)| call.program() == *program)?;
    match verbs {
        [] => Some((*program).to_owned()),
        _ => call.verb(verbs).map(|verb| format!("{program} {}", verb.text)),
    }
}

/// Returns whether a path is one that `go build -o` writes, or is in a directory that it writes to.
fn is_output(path: &str, outputs: &[String]) -> bool {
    // Copied paths begin at the root, however they are written.
    let path = format!("/{}", path.trim_matches('/'));
    outputs.iter().any(|output| {
        let is_inside = output.ends_with('/') && path.starts_with(output.as_str());
        path == output.trim_end_matches('/') || is_inside
    })
}

/// Returns whether a call does something with a program that was built, which may be another platform's afterwards.
fn touches(call: &Call, outputs: &[String]) -> bool {
    let is_harmless = HARMLESS.contains(&call.program()) || is_go_build(call);
    let is_named = |output: &String| {
        let place = output.trim_end_matches('/');
        let name = place.rsplit('/').next();
        let mut words = call.words.iter().map(|word| word.text.as_str());
        words.any(|word| word.rsplit('/').next() == name || word.contains(place))
    };
    !is_harmless && outputs.iter().any(is_named)
}

/// Returns whether a stage starts from an image whose name is not that of one platform.
fn is_for_any_platform(stage: &Stage) -> bool {
    let image = stage.from.image.as_str();
    !["amd64", "arm", "x86", "aarch", "386"]
        .iter()
        .any(|name| image.contains(name))
}

fn is_go_build(call: &Call) -> bool {
    call.program() == "go" && call.verb(&["build"]).is_some()
}

fn is_same_everywhere(path: &str, has_bundler: bool) -> bool {
    let path = path.trim_end_matches('/');
    let is_of_distribution = SAME_EVERYWHERE.iter().any(|same| {
        path.strip_prefix(same)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let last = path.rsplit('/').next().unwrap_or_default();
    is_of_distribution || (has_bundler && BUNDLES.contains(&last))
}
