//! Rules about several platforms, which are lrops' own: what builds, and yet puts the wrong program into an image, or
//! builds slowly.
//!
//! They look at the text alone, and so at what is written, not at what a shell would make of it: what they cannot tell
//! they leave alone. `docs/rules.md` has a bad and a good example of each.

use lrops_model::finding::Finding;
use lrops_model::platform::Platform;

use super::shell_text::{
    Call, architecture_in, calls_of, fallback, mentions, sets, sets_from, sets_to, tool,
};
use super::{CheckOptions, rules};
use crate::instruction::{Dockerfile, Instruction, Origin, Stage};

/// What `BuildKit` tells of the target, once a stage declares it.
const TARGET_ARGUMENTS: [&str; 4] = ["TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT"];

/// The same of the build platform.
const BUILD_ARGUMENTS: [&str; 4] = ["BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT"];

/// What makes a download vary with the platform, or asks the machine.
const ASKS: [&str; 9] = [
    "TARGETARCH",
    "TARGETPLATFORM",
    "TARGETVARIANT",
    "BUILDARCH",
    "uname",
    "$(arch)",
    "go env GOARCH",
    "dpkg --print-architecture",
    "apk --print-arch",
];

/// Returns what is doubtful in a Dockerfile that is built for these platforms.
pub(crate) fn cross_findings(
    dockerfile: &Dockerfile,
    platforms: &[Platform],
    options: &CheckOptions,
) -> Vec<Finding> {
    let mut cross = Cross {
        dockerfile,
        platforms,
        options,
        findings: Vec::new(),
    };
    for arg in &dockerfile.global_args {
        cross.defaults(arg);
    }
    for stage in &dockerfile.stages {
        cross.stage(stage);
    }
    cross.findings
}

struct Cross<'a> {
    dockerfile: &'a Dockerfile,
    platforms: &'a [Platform],
    options: &'a CheckOptions,
    findings: Vec<Finding>,
}

/// A command of a stage: what it says, and where it stands.
struct Command<'a> {
    text: String,
    origin: &'a Origin,
}

impl<'a> Cross<'a> {
    fn stage(&mut self, stage: &'a Stage) {
        let commands = commands(stage);
        self.platform_of_stage(stage);
        for instruction in &stage.instructions {
            if let Instruction::Arg(arg) = instruction {
                self.defaults(arg);
            }
        }
        self.tools(stage, &commands);
        self.undeclared(stage);
        self.go(stage, &commands);
        self.downloads(stage, &commands);
    }

    /// `FROM --platform=… STAGE`: the stage keeps its own.
    fn platform_of_stage(&mut self, stage: &Stage) {
        let from = &stage.from;
        let Some(parent) = self.parent(stage).filter(|_| from.platform.is_some()) else {
            return;
        };
        let name = parent.name.clone().unwrap_or_else(|| parent.index.to_string());
        self.warn(
            rules::PLATFORM_OF_STAGE,
            format!("--platform is ignored, because {name} is a stage of this Dockerfile"),
            &from.origin,
            format!("say it where {name} begins, or leave it out"),
        );
    }

    /// `ARG TARGETARCH=amd64`: the default replaces what `BuildKit` would say.
    fn defaults(&mut self, arg: &crate::instruction::Arg) {
        for definition in &arg.definitions {
            let name = definition.name.as_str();
            let is_told = TARGET_ARGUMENTS.contains(&name) || BUILD_ARGUMENTS.contains(&name);
            let Some(value) = definition.value.as_ref().filter(|_| is_told) else {
                continue;
            };
            self.warn(
                rules::PLATFORM_ARG_DEFAULT,
                format!("the default {value} of {name} takes the place of the platform that is built for"),
                &arg.origin,
                format!("write ARG {name} without a default"),
            );
        }
    }

    /// A stage with tools that runs on the target's platform.
    fn tools(&mut self, stage: &'a Stage, commands: &[Command<'a>]) {
        let is_last = stage.index + 1 == self.dockerfile.stages.len();
        if is_last || self.platforms.len() < 2 || self.parent(stage).is_some() || !self.runs_on_target(stage)
        {
            return;
        }
        let tool = commands.iter().find_map(|command| tool(&command.text));
        if let Some(tool) = tool {
            let name = stage.name.clone().unwrap_or_else(|| stage.index.to_string());
            self.warn(
                rules::TOOLS_ON_TARGET_PLATFORM,
                format!(
                    "the stage {name} runs `{tool}` once for each platform, and emulated for foreign ones"
                ),
                &stage.from.origin,
                "begin it with FROM --platform=$BUILDPLATFORM, and cross-compile".to_owned(),
            );
        }
    }

    /// `$TARGETARCH` in a command of a stage that does not declare it: it is empty there.
    fn undeclared(&mut self, stage: &'a Stage) {
        let mut declared: Vec<String> = self.declared_before(stage);
        for instruction in &stage.instructions {
            match instruction {
                Instruction::Run(_) => {
                    let text = command(instruction);
                    let missing = TARGET_ARGUMENTS.iter().chain(&BUILD_ARGUMENTS).find(|name| {
                        mentions(&text, name)
                            && !sets(&text, name)
                            && !declared.iter().any(|other| other == *name)
                    });
                    if let Some(name) = missing {
                        self.warn(
                            rules::PLATFORM_ARG_UNDECLARED,
                            format!("{name} is empty here: the stage does not declare it"),
                            instruction.origin(),
                            format!("write ARG {name} before, in this stage"),
                        );
                        declared.push((*name).to_owned());
                    }
                }
                other => declared.extend(declares(other)),
            }
        }
    }

    /// Go that compiles for the target in a stage of the build platform.
    fn go(&mut self, stage: &'a Stage, commands: &[Command<'a>]) {
        if !self.is_native(stage) {
            return;
        }
        let builds_arm = self
            .platforms
            .iter()
            .any(|platform| platform.architecture == "arm");
        for command in commands {
            let calls = calls_of(&command.text, &self.settings(stage, command.origin));
            let go = calls.iter().filter(|call| call.words.first() == Some(&"go"));
            let crossing: Vec<&Call<'_>> = go
                .filter(|call| sets_from(&call.settings, "GOARCH", "TARGETARCH"))
                .collect();
            if crossing.iter().any(|call| call.words.get(1) == Some(&"install")) {
                self.warn(
                    rules::CROSS_GO_INSTALL,
                    "`go install` puts programs of other platforms elsewhere, and refuses where GOBIN is set"
                        .to_owned(),
                    command.origin,
                    "use go build -o /out/NAME PACKAGE".to_owned(),
                );
            }
            if builds_arm && crossing.iter().any(|call| !sets(&call.settings, "GOARM")) {
                self.warn(
                    rules::GOARM_MISSING,
                    "GOARCH follows the target, and GOARM does not: linux/arm/v6 and linux/arm/v7 get the same program"
                        .to_owned(),
                    command.origin,
                    "declare ARG TARGETVARIANT and set GOARM=${TARGETVARIANT#v}".to_owned(),
                );
            }
            let lacks_compiler =
                |call: &&Call<'_>| sets_to(&call.settings, "CGO_ENABLED", "1") && !sets(&call.settings, "CC");
            if crossing.iter().any(lacks_compiler) {
                self.warn(
                    rules::CGO_WITHOUT_CROSS_COMPILER,
                    "CGO_ENABLED=1 compiles C for the target with the C compiler of the build platform"
                        .to_owned(),
                    command.origin,
                    "set CC to a cross-compiler of the target, or CGO_ENABLED=0".to_owned(),
                );
            }
        }
    }

    /// A file of one architecture for all platforms.
    fn downloads(&mut self, stage: &'a Stage, commands: &[Command<'a>]) {
        if self.platforms.len() < 2 {
            return;
        }
        let runs_on_target = self.runs_on_target(stage);
        for command in commands {
            if let Some(architecture) = fallback(&command.text) {
                self.warn(
                    rules::ARCHITECTURE_FALLBACK,
                    format!("every platform that is not named gets {architecture}"),
                    command.origin,
                    "end the case with *) echo \"unknown: $TARGETARCH\" >&2; exit 1 ;;".to_owned(),
                );
            }
            let settings = self.settings(stage, command.origin);
            let asks = |text: &str| ASKS.iter().any(|word| text.contains(word));
            if !runs_on_target || asks(&command.text) || asks(&settings) {
                continue;
            }
            let urls = command
                .text
                .split(|character: char| character.is_whitespace() || "\"'`;|()<>".contains(character));
            let fixed: Vec<(&str, &str)> = urls
                .filter(|word| word.contains("://"))
                .filter_map(|url| Some((url, architecture_in(url)?)))
                .collect();
            // Who names several chooses among them.
            let is_choice = fixed
                .iter()
                .any(|(_, other)| Some(*other) != fixed.first().map(|(_, first)| *first));
            if let Some((url, architecture)) = fixed.first().filter(|_| !is_choice) {
                self.warn(
                    rules::FIXED_ARCHITECTURE,
                    format!("all platforms get {url}, which is named for {architecture}"),
                    command.origin,
                    "declare ARG TARGETARCH, and let the name follow it".to_owned(),
                );
            }
        }
    }

    /// Returns the stage that a stage starts from.
    fn parent(&self, stage: &Stage) -> Option<&'a Stage> {
        let wanted = self.image(stage);
        let earlier = &self.dockerfile.stages[..stage.index];
        let by_name = earlier
            .iter()
            .rev()
            .find(|other| other.name.as_deref() == Some(wanted.to_lowercase().as_str()));
        by_name.or_else(|| earlier.get(wanted.parse::<usize>().ok()?))
    }

    /// Returns what a stage starts from, with the defaults of the arguments before the first stage.
    fn image(&self, stage: &Stage) -> String {
        let mut image = stage.from.image.text.clone();
        for definition in self
            .dockerfile
            .global_args
            .iter()
            .flat_map(|arg| &arg.definitions)
        {
            if let Some(value) = &definition.value {
                let name = definition.name.as_str();
                let value = value.as_str().trim_matches(['"', '\'']);
                image = image.replace(&format!("${{{name}}}"), value);
                if image == format!("${name}") {
                    value.clone_into(&mut image);
                }
            }
        }
        image
    }

    /// Returns whether a stage runs on the target's platform. A name that has no default may be that of any stage.
    fn runs_on_target(&self, stage: &'a Stage) -> bool {
        let first = self.line(stage)[0];
        first.from.platform.is_none() && !self.image(first).contains('$')
    }

    /// Returns whether a stage runs on the build platform.
    fn is_native(&self, stage: &'a Stage) -> bool {
        let first = self
            .line(stage)
            .first()
            .and_then(|stage| stage.from.platform.as_ref());
        first.is_some_and(|platform| platform.as_str().contains("BUILDPLATFORM"))
    }

    /// Returns a stage and those that it starts from, the first one first.
    fn line(&self, stage: &'a Stage) -> Vec<&'a Stage> {
        let mut line = vec![stage];
        while let Some(parent) = line.last().and_then(|stage| self.parent(stage)) {
            line.push(parent);
        }
        line.reverse();
        line
    }

    /// Returns what a stage has from those that it starts from.
    fn declared_before(&self, stage: &'a Stage) -> Vec<String> {
        let line = self.line(stage);
        let before = &line[..line.len() - 1];
        before
            .iter()
            .flat_map(|stage| &stage.instructions)
            .flat_map(declares)
            .collect()
    }

    /// Returns the `ENV` lines that hold where an instruction of a stage stands.
    fn settings(&self, stage: &'a Stage, at: &Origin) -> String {
        let instructions = self.line(stage).into_iter().flat_map(|stage| &stage.instructions);
        let before = instructions.take_while(|instruction| instruction.origin().span.start < at.span.start);
        let settings = before.filter(|instruction| matches!(instruction, Instruction::Env(_)));
        let texts: Vec<&str> = settings.map(|setting| setting.origin().text.as_str()).collect();
        texts.join("\n")
    }

    fn warn(&mut self, rule: &'static str, message: String, origin: &Origin, advice: String) {
        if self.options.with_comments(&origin.comments).reports(rule) {
            let finding = Finding::warning(rule, message).at(origin.place());
            self.findings.push(finding.advise(advice));
        }
    }
}

/// Returns the commands of a stage, and what it adds from addresses.
fn commands(stage: &Stage) -> Vec<Command<'_>> {
    let is_command =
        |instruction: &&Instruction| matches!(instruction, Instruction::Run(_) | Instruction::Add(_));
    let commands = stage.instructions.iter().filter(is_command);
    commands
        .map(|instruction| Command {
            text: command(instruction),
            origin: instruction.origin(),
        })
        .collect()
}

/// Returns what an instruction says, heredocs included.
fn command(instruction: &Instruction) -> String {
    match instruction {
        Instruction::Run(run) => {
            let words = run.command.words().join(" ");
            let heredocs = run.heredocs.iter().map(|heredoc| heredoc.content.as_str());
            std::iter::once(words.as_str())
                .chain(heredocs)
                .collect::<Vec<_>>()
                .join("\n")
        }
        other => other.origin().text.clone(),
    }
}

/// Returns the names that an instruction gives a value, or lets `BuildKit` give one.
fn declares(instruction: &Instruction) -> Vec<String> {
    match instruction {
        Instruction::Arg(arg) => {
            let names = arg.definitions.iter().map(|definition| definition.name.as_str());
            names.map(str::to_owned).collect()
        }
        Instruction::Env(env) => {
            let names = TARGET_ARGUMENTS.iter().chain(&BUILD_ARGUMENTS);
            let set = names.filter(|name| sets(&env.origin.text, name));
            set.map(|name| (*name).to_owned()).collect()
        }
        _ => Vec::new(),
    }
}
