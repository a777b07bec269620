//! Instructions that change only the image's config.

use lrops_model::finding::Place;
use lrops_model::oci::{Empty, Healthcheck};

use super::environment::set_in_config;
use super::report::NO_VARIABLES;
use super::stage::StageLowering;
use super::state::StageState;
use super::{history, rules, signal};
use crate::check::rules as checks;
use crate::instruction::{
    Arg, Cmd, CommandLine, Entrypoint, Env, Expose, Healthcheck as Check, HealthcheckProbe, HealthcheckTest,
    Instruction, Label, Origin, StopSignal, User, Volume,
};
use crate::ports::ExposeWord;
use crate::syntax::{Pair, PairForm, Span, quoted};
use crate::words::Expander;

/// The words that make a variable's name that of a secret, and those that say that it is none.
const SECRET_WORDS: [&str; 10] = [
    "apikey",
    "auth",
    "credential",
    "credentials",
    "key",
    "password",
    "pword",
    "passwd",
    "secret",
    "token",
];
const PUBLIC_WORDS: [&str; 3] = ["public", "file", "version"];

impl StageLowering<'_> {
    /// Lowers an instruction that makes no step.
    pub(super) fn metadata(&mut self, state: &mut StageState, instruction: &Instruction) {
        match instruction {
            Instruction::Arg(arg) => self.arg(state, arg),
            Instruction::Env(env) => self.env(state, env),
            Instruction::Label(label) => self.label(state, label),
            Instruction::Maintainer(maintainer) => {
                state.config.author.clone_from(&maintainer.name.text);
                state.record(format!("MAINTAINER {}", maintainer.name), None);
            }
            Instruction::Cmd(cmd) => self.cmd(state, cmd),
            Instruction::Entrypoint(entrypoint) => self.entrypoint(state, entrypoint),
            Instruction::Shell(shell) => {
                let words: Vec<String> = shell.words.iter().map(|word| word.text.clone()).collect();
                state.record(format!("SHELL {}", history::bare_list(&words)), None);
                state.config.config.shell = Some(words);
            }
            Instruction::User(user) => self.user(state, user),
            Instruction::Expose(expose) => self.expose(state, expose),
            Instruction::Volume(volume) => self.volume(state, volume),
            Instruction::StopSignal(stop_signal) => self.stop_signal(state, stop_signal),
            Instruction::Healthcheck(check) => self.healthcheck(state, check),
            Instruction::Onbuild(onbuild) => {
                state.triggers.push(onbuild.trigger.clone());
                state.config.config.on_build.push(onbuild.trigger.clone());
            }
            Instruction::Add(_) | Instruction::Copy(_) | Instruction::Run(_) | Instruction::Workdir(_) => {
                unreachable!("these make steps")
            }
        }
    }

    /// `ARG`: the command line's value, else the default, else the value of the global argument.
    fn arg(&mut self, state: &mut StageState, arg: &Arg) {
        let mut shown = Vec::new();
        for definition in &arg.definitions {
            // The name is not expanded.
            let name = definition.name.text.clone();
            self.warn_of_secret("ARG", &name);
            let given = self.inputs.build_args.get(&name).cloned();
            let value = match (given, &definition.value) {
                (Some(given), _) => Some(given),
                (None, Some(default)) => self.expand(state, default),
                (None, None) => self.globals.get(&name).map(str::to_owned),
            };
            if let Some(value) = &value
                && !NO_VARIABLES.contains(&name.as_str())
            {
                state.environment.set(&name, value);
            }
            shown.push(
                value
                    .as_ref()
                    .map_or_else(|| name.clone(), |value| format!("{name}={value}")),
            );
            state.build_args.push((name, value));
        }
        state.record(format!("ARG {}", shown.join(" ")), None);
    }

    fn env(&mut self, state: &mut StageState, env: &Env) {
        // Every pair sees the variables as they were before the line.
        let pairs = self.pairs(state, &env.origin, &env.pairs);
        for (name, value) in &pairs {
            self.warn_of_secret("ENV", name);
            state.environment.set(name, value);
            set_in_config(&mut state.config.config.env, name, value);
        }
        state.record(format!("ENV {}", shown(&pairs)), None);
    }

    fn label(&mut self, state: &mut StageState, label: &Label) {
        let pairs = self.pairs(state, &label.origin, &label.pairs);
        state.record(format!("LABEL {}", shown(&pairs)), None);
        state.config.config.labels.extend(pairs);
    }

    fn pairs(&mut self, state: &StageState, origin: &Origin, pairs: &[Pair]) -> Vec<(String, String)> {
        let mut expanded = Vec::new();
        for pair in pairs {
            if let (Some(name), Some(value)) =
                (self.expand(state, &pair.name), self.expand(state, &pair.value))
            {
                expanded.push((name, value));
            }
            if pair.form == PairForm::Legacy {
                let keyword = &origin.keyword;
                let message = format!(
                    "\"{keyword} key=value\" should be used instead of legacy \"{keyword} key value\" format"
                );
                self.warn(checks::LEGACY_KEY_VALUE_FORMAT, message);
            }
        }
        expanded
    }

    fn warn_of_secret(&mut self, instruction: &str, name: &str) {
        let lower = name.to_ascii_lowercase();
        let has = |words: &[&str]| lower.split('_').any(|word| words.contains(&word));
        if has(&SECRET_WORDS) && !has(&PUBLIC_WORDS) {
            let name = quoted(name);
            let message =
                format!("Do not use ARG or ENV instructions for sensitive data ({instruction} {name})");
            self.warn(checks::SECRETS_USED_IN_ARG_OR_ENV, message);
        }
    }

    fn cmd(&mut self, state: &mut StageState, cmd: &Cmd) {
        self.warn_of_repetition(state.cmd.replace(self.spot.place.clone()), &cmd.origin);
        self.warn_of_shell(state, &cmd.command, &cmd.origin);
        let words = command(state, &cmd.command);
        state.record(format!("CMD {}", history::quoted_list(&words)), None);
        state.config.config.cmd = given(words);
        state.config.config.args_escaped = true;
    }

    fn entrypoint(&mut self, state: &mut StageState, entrypoint: &Entrypoint) {
        let earlier = state.entrypoint.replace(self.spot.place.clone());
        self.warn_of_repetition(earlier, &entrypoint.origin);
        self.warn_of_shell(state, &entrypoint.command, &entrypoint.origin);
        let words = command(state, &entrypoint.command);
        state.record(format!("ENTRYPOINT {}", history::quoted_list(&words)), None);
        state.config.config.entrypoint = given(words);
        // A command of the base was meant for the base's entrypoint.
        if state.cmd.is_none() {
            state.config.config.cmd = None;
        }
    }

    fn healthcheck(&mut self, state: &mut StageState, healthcheck: &Check) {
        let earlier = state.healthcheck.replace(self.spot.place.clone());
        self.warn_of_repetition(earlier, &healthcheck.origin);
        let check = match &healthcheck.test {
            HealthcheckTest::Disabled => Healthcheck {
                test: vec!["NONE".to_owned()],
                ..Healthcheck::default()
            },
            HealthcheckTest::Probe(probe) => probe_check(probe),
        };
        state.record(format!("HEALTHCHECK {}", history::healthcheck(&check)), None);
        state.config.config.healthcheck = Some(check);
    }

    /// Warns at the earlier instruction, for it is the one that has no effect.
    fn warn_of_repetition(&mut self, earlier: Option<Place>, origin: &Origin) {
        if let Some(place) = earlier {
            let message = format!(
                "Multiple {} instructions should not be used in the same stage because only the last one will be used",
                origin.keyword
            );
            self.warn_at(checks::MULTIPLE_INSTRUCTIONS_DISALLOWED, message, place);
        }
    }

    fn warn_of_shell(&mut self, state: &StageState, command: &CommandLine, origin: &Origin) {
        let shell_is_set = state
            .config
            .config
            .shell
            .as_ref()
            .is_some_and(|shell| !shell.is_empty());
        if matches!(command, CommandLine::Shell(_)) && !shell_is_set {
            let message = format!(
                "JSON arguments recommended for {} to prevent unintended behavior related to OS signals",
                origin.keyword
            );
            self.warn(checks::JSON_ARGS_RECOMMENDED, message);
        }
    }

    fn user(&mut self, state: &mut StageState, user: &User) {
        if let Some(user) = self.expand(state, &user.user) {
            state.record(format!("USER {user}"), None);
            state.config.config.user = user;
        }
    }

    fn expose(&mut self, state: &mut StageState, expose: &Expose) {
        let expander = Expander::new(self.dockerfile.directives.escape);
        let mut shown = Vec::new();
        for word in &expose.ports {
            match expander.expand_words(&word.text, &|name| state.environment.get(name)) {
                Ok(expanded) => {
                    for text in expanded.words {
                        shown.extend(self.ports(&text, &word.span));
                    }
                }
                Err(error) => self.expansion_error(&error, &word.span),
            }
        }
        state.record(format!("EXPOSE {}", history::bare_list(&shown)), None);
        let ports = shown.into_iter().map(|port| (port, Empty {}));
        state.config.config.exposed_ports.extend(ports);
    }

    /// The ports of one word of `EXPOSE`.
    fn ports(&mut self, text: &str, span: &Span) -> Vec<String> {
        let word = match ExposeWord::parse(text) {
            Ok(word) => word,
            Err(error) => {
                let message = format!("{error}: {}", error.problem);
                self.error(rules::INVALID_PORT, message, span, None);
                return Vec::new();
            }
        };
        if word.has_capitals {
            let message = format!("Defined protocol '{text}' in EXPOSE instruction should be lowercase");
            self.warn(checks::EXPOSE_PROTO_CASING, message);
        }
        if word.has_host_part {
            let message = format!(
                "EXPOSE instruction should not define an IP address or host-port mapping, found '{text}'"
            );
            self.warn(checks::EXPOSE_INVALID_FORMAT, message);
        }
        word.exposed().map(|port| port.to_string()).collect()
    }

    fn volume(&mut self, state: &mut StageState, volume: &Volume) {
        let mut paths = Vec::new();
        for word in &volume.paths {
            let Some(path) = self.expand(state, word) else {
                continue;
            };
            if path.is_empty() {
                let message = "VOLUME specified can not be an empty string";
                self.error(rules::INVALID_VOLUME, message, &word.span, None);
            }
            paths.push(path);
        }
        state
            .config
            .config
            .volumes
            .extend(paths.iter().map(|path| (path.clone(), Empty {})));
        state.record(format!("VOLUME {}", history::bare_list(&paths)), None);
    }

    fn stop_signal(&mut self, state: &mut StageState, stop_signal: &StopSignal) {
        let Some(text) = self.expand(state, &stop_signal.signal) else {
            return;
        };
        if !signal::is_signal(&text) {
            let message = format!("invalid signal: {text}");
            let advice = "name a signal such as SIGTERM, or its number".to_owned();
            self.error(
                rules::INVALID_SIGNAL,
                message,
                &stop_signal.signal.span,
                Some(advice),
            );
            return;
        }
        state.record(format!("STOPSIGNAL {text}"), None);
        state.config.config.stop_signal = text;
    }
}

/// An empty command is none: the documents do not tell the two apart.
fn given(words: Vec<String>) -> Option<Vec<String>> {
    (!words.is_empty()).then_some(words)
}

fn shown(pairs: &[(String, String)]) -> String {
    pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns the words of a command: those of the exec form, or the stage's shell and the text.
pub(super) fn command(state: &StageState, command: &CommandLine) -> Vec<String> {
    match command {
        CommandLine::Exec(words) => words.iter().map(|word| word.text.clone()).collect(),
        CommandLine::Shell(text) => with_shell(state, text.text.clone()),
    }
}

/// Returns the stage's shell and a text for it.
pub(super) fn with_shell(state: &StageState, text: String) -> Vec<String> {
    let default = if state.config.os == "windows" {
        ["cmd", "/S", "/C"].as_slice()
    } else {
        &["/bin/sh", "-c"]
    };
    let shell = state
        .config
        .config
        .shell
        .clone()
        .filter(|shell| !shell.is_empty());
    let mut words = shell.unwrap_or_else(|| default.iter().map(|word| (*word).to_owned()).collect());
    words.push(text);
    words
}

fn probe_check(probe: &HealthcheckProbe) -> Healthcheck {
    let nanoseconds = |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    let mut test = Vec::new();
    match &probe.command {
        CommandLine::Exec(words) => {
            test.push("CMD".to_owned());
            test.extend(words.iter().map(|word| word.text.clone()));
        }
        CommandLine::Shell(text) => test.extend(["CMD-SHELL".to_owned(), text.text.clone()]),
    }
    Healthcheck {
        test,
        interval: nanoseconds(probe.interval),
        timeout: nanoseconds(probe.timeout),
        start_period: nanoseconds(probe.start_period),
        start_interval: nanoseconds(probe.start_interval),
        retries: i64::from(probe.retries),
    }
}
