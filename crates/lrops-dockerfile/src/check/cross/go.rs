//! Go that compiles for the target in a stage of the build platform.

use std::collections::HashSet;

use lrops_model::finding::Edit;
use lrops_model::platform::Platform;

use super::command::Command;
use super::stages::Gift;
use super::{Cross, Remark};
use crate::check::rules;
use crate::check::shell::Call;
use crate::instruction::Stage;

/// What compiles programs.
const COMPILES: [&str; 2] = ["build", "install"];

/// Where `go install` puts programs in Docker's `golang` images.
const INSTALLED: [&str; 2] = ["/go/bin", "$GOPATH/bin"];

/// What GOARM follows.
const GOARM: &str = "GOARM=${TARGETVARIANT#v}";

impl<'a> Cross<'a> {
    pub(super) fn go(&mut self, stage: &'a Stage, commands: &[Command<'a>]) {
        if !self.family.is_native(stage) {
            return;
        }
        let mut is_declared = false;
        for command in commands {
            let crossing: Vec<&Call> = command.calls_of("go").filter(|call| is_crossing(call)).collect();
            self.installs(stage, command, &crossing);
            if self.builds_arm() {
                is_declared |= self.arm_version(stage, command, &crossing, is_declared);
            }
            self.c_compiler(command, &crossing);
        }
    }

    fn installs(&mut self, stage: &'a Stage, command: &Command<'a>, crossing: &[&Call]) {
        let installs: Vec<&&Call> = crossing
            .iter()
            .filter(|call| call.verb(&["install"]).is_some())
            .collect();
        if installs.is_empty() {
            return;
        }
        let edits = installs.iter().map(|call| self.built_instead(stage, call));
        let cure = edits.collect::<Option<Vec<Edit>>>().filter(|_| command.is_exact);
        let cure = cure.map(each_once);
        let remark = Remark {
            rule: rules::CROSS_GO_INSTALL,
            message:
                "`go install` puts programs of other platforms elsewhere, and refuses where GOBIN is set"
                    .to_owned(),
            advice: "use go build -o /out/NAME PACKAGE".to_owned(),
            cure,
        };
        self.warn(command.origin, remark);
    }

    /// `go install ./cmd/NAME` as `go build`, where another stage copies the program from where `go install` puts those
    /// of the build platform.
    fn built_instead(&self, stage: &'a Stage, call: &Call) -> Option<Edit> {
        let verb = call.verb(&["install"])?;
        let package = call.words.last()?;
        let is_only = call.words.iter().filter(|word| is_package(&word.text)).count() == 1;
        let name = package.text.strip_prefix("./")?.rsplit('/').next()?;
        if !is_only || !is_package(&package.text) || !is_plain_name(name) {
            return None;
        }
        let places = INSTALLED.map(|directory| format!("{directory}/{name}"));
        let gifts = self.family.gifts(stage);
        let place = places.iter().find(|place| {
            gifts
                .iter()
                .any(|gift| matches!(gift, Gift::Path(path) if path == place))
        })?;
        Some(Edit {
            span: verb.span.clone(),
            text: format!("build -o {place}"),
        })
    }

    /// Returns whether `TARGETVARIANT` is declared by a cure, as it may be by the cure of an earlier command.
    fn arm_version(
        &mut self,
        stage: &'a Stage,
        command: &Command<'a>,
        crossing: &[&Call],
        is_declared: bool,
    ) -> bool {
        let lacking: Vec<&&Call> = crossing
            .iter()
            .filter(|call| call.verb(&COMPILES).is_some() && call.setting("GOARM").is_none())
            .collect();
        if lacking.is_empty() {
            return is_declared;
        }
        let is_valid = self.platforms.iter().all(gives_goarm);
        let must_declare = !is_declared && !self.declared(stage, command).contains(&"TARGETVARIANT");
        let is_safe = is_valid && command.is_exact && !(must_declare && self.has_default("TARGETVARIANT"));
        let settings = lacking.iter().map(|call| setting_behind(call, "GOARCH", GOARM));
        let cure = settings.collect::<Option<Vec<Edit>>>().filter(|_| is_safe);
        let cure = cure.map(|edits| {
            // One export is for several calls.
            let mut edits = each_once(edits);
            if must_declare {
                edits.extend(self.editor.declare(stage, command.origin, &["TARGETVARIANT"]));
            }
            edits
        });
        let remark = Remark {
            rule: rules::GOARM_MISSING,
            message: "GOARCH follows the target, and GOARM does not: linux/arm/v6 and linux/arm/v7 get the same program"
                .to_owned(),
            advice: if is_valid {
                "declare ARG TARGETVARIANT and set GOARM=${TARGETVARIANT#v}".to_owned()
            } else {
                "set GOARM to 5, 6 or 7 for linux/arm, and leave it out for other platforms".to_owned()
            },
            cure,
        };
        let has_cure = remark.cure.is_some();
        self.warn(command.origin, remark);
        is_declared || has_cure
    }

    fn c_compiler(&mut self, command: &Command<'a>, crossing: &[&Call]) {
        let lacks_compiler = |call: &&Call| {
            let is_on = call
                .setting("CGO_ENABLED")
                .is_some_and(|setting| setting.value == "1");
            is_on && call.verb(&COMPILES).is_some() && call.setting("CC").is_none()
        };
        if crossing.iter().copied().any(|call| lacks_compiler(&call)) {
            let remark = Remark {
                rule: rules::CGO_WITHOUT_CROSS_COMPILER,
                message: "CGO_ENABLED=1 compiles C for the target with the C compiler of the build platform"
                    .to_owned(),
                advice: "set CC to a cross-compiler of the target, or CGO_ENABLED=0".to_owned(),
                cure: None,
            };
            self.warn(command.origin, remark);
        }
    }
}

/// Returns whether `GOARM=${TARGETVARIANT#v}` is one that Go takes. It refuses all but 5, 6 and 7, whatever it compiles for;
/// an empty one is its default.
fn gives_goarm(platform: &Platform) -> bool {
    let variant = platform.variant.as_deref();
    let is_version = matches!(variant, Some("v5" | "v6" | "v7"));
    variant.is_none() || (platform.architecture == "arm" && is_version)
}

/// Drops edits that are there already: a script that stands in another one may be read twice.
fn each_once(mut edits: Vec<Edit>) -> Vec<Edit> {
    let mut seen = HashSet::new();
    edits.retain(|edit| seen.insert(edit.clone()));
    edits
}

/// Returns whether a call of Go is for the target.
fn is_crossing(call: &Call) -> bool {
    call.setting("GOARCH")
        .is_some_and(|setting| setting.follows("TARGETARCH") || setting.follows("TARGETPLATFORM"))
}

/// Returns the edit that sets a variable for a call: behind another one where that is set in the same command, or by an
/// `export` before it.
fn setting_behind(call: &Call, other: &str, setting: &str) -> Option<Edit> {
    let exported = call.setting(other).filter(|other| other.is_exported);
    let other = call.own_setting(other).or(exported);
    if let Some(span) = other.and_then(|other| other.span.clone()) {
        return Some(Edit {
            span: span.end..span.end,
            text: format!(" {setting}"),
        });
    }
    let program = call.words.first().filter(|_| call.takes_settings)?;
    Some(Edit {
        span: program.span.start..program.span.start,
        text: format!("{setting} "),
    })
}

/// Returns whether a word names packages, and is no flag.
fn is_package(word: &str) -> bool {
    word.starts_with('.')
        || word.contains('@')
        || (word.contains('/') && !word.contains(['-', '=', '$', ' ']))
}

fn is_plain_name(name: &str) -> bool {
    let is_version = name
        .strip_prefix('v')
        .is_some_and(|rest| rest.parse::<u32>().is_ok());
    let follows = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    !name.is_empty() && !is_version && name.bytes().all(follows)
}
