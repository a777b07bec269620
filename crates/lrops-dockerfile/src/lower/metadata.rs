//! Instructions that change only the image's config.

use lrops_model::oci::{Empty, Healthcheck};

use super::environment::set_in_config;
use super::stage::{StageLowering, StageState};
use super::{history, rules, signal};
use crate::instruction::{
    Arg, CommandLine, Env, Expose, HealthcheckProbe, HealthcheckTest, Instruction, Label, StopSignal, Volume,
};
use crate::ports::{ExposeWord, PortProtocol};
use crate::syntax::Pair;
use crate::words::Expander;

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
            Instruction::Cmd(cmd) => {
                let words = command(state, &cmd.command);
                state.record(format!("CMD {}", history::quoted_list(&words)), None);
                state.config.config.cmd = Some(words);
                state.config.config.args_escaped = true;
                state.cmd_is_set = true;
            }
            Instruction::Entrypoint(entrypoint) => {
                let words = command(state, &entrypoint.command);
                state.record(format!("ENTRYPOINT {}", history::quoted_list(&words)), None);
                state.config.config.entrypoint = Some(words);
                if !state.cmd_is_set {
                    state.config.config.cmd = None;
                }
            }
            Instruction::Shell(shell) => {
                let words: Vec<String> = shell.words.iter().map(|word| word.text.clone()).collect();
                state.record(format!("SHELL {}", history::bare_list(&words)), None);
                state.config.config.shell = Some(words);
            }
            Instruction::User(user) => {
                let Some(user) = self.expand(state, &user.user) else {
                    return;
                };
                state.record(format!("USER {user}"), None);
                state.config.config.user = user;
            }
            Instruction::Expose(expose) => self.expose(state, expose),
            Instruction::Volume(volume) => self.volume(state, volume),
            Instruction::StopSignal(stop_signal) => self.stop_signal(state, stop_signal),
            Instruction::Healthcheck(check) => healthcheck(state, &check.test),
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
            let Some(name) = self.expand(state, &definition.name) else {
                continue;
            };
            let given = self.inputs.build_args.get(&name).cloned();
            let value = match (given, &definition.value) {
                (Some(given), _) => Some(given),
                (None, Some(default)) => self.expand(state, default),
                (None, None) => self.globals.get(&name).map(str::to_owned),
            };
            if let Some(value) = &value {
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
        let pairs = self.pairs(state, &env.pairs);
        for (name, value) in &pairs {
            state.environment.set(name, value);
            set_in_config(&mut state.config.config.env, name, value);
        }
        state.record(format!("ENV {}", shown(&pairs)), None);
    }

    fn label(&mut self, state: &mut StageState, label: &Label) {
        let pairs = self.pairs(state, &label.pairs);
        state.record(format!("LABEL {}", shown(&pairs)), None);
        state.config.config.labels.extend(pairs);
    }

    fn pairs(&mut self, state: &StageState, pairs: &[Pair]) -> Vec<(String, String)> {
        let mut expanded = Vec::new();
        for pair in pairs {
            if let (Some(name), Some(value)) =
                (self.expand(state, &pair.name), self.expand(state, &pair.value))
            {
                expanded.push((name, value));
            }
        }
        expanded
    }

    fn expose(&mut self, state: &mut StageState, expose: &Expose) {
        let expander = Expander::new(self.dockerfile.directives.escape);
        let mut shown = Vec::new();
        for word in &expose.ports {
            let words = match expander.expand_words(&word.text, &|name| state.environment.get(name)) {
                Ok(expanded) => expanded.words,
                Err(error) => {
                    let message = format!("failed to process {:?}: {}", word.text, error.problem);
                    self.error(rules::BAD_WORD, message, &word.span, None);
                    continue;
                }
            };
            for text in words {
                match ExposeWord::parse(&text) {
                    Ok(port) => shown.extend(
                        port.exposed()
                            .map(|port| format!("{}/{}", port.number, protocol_name(port.protocol))),
                    ),
                    Err(error) => self.error(rules::INVALID_PORT, error.to_string(), &word.span, None),
                }
            }
        }
        state
            .config
            .config
            .exposed_ports
            .extend(shown.iter().map(|port| (port.clone(), Empty {})));
        state.record(format!("EXPOSE {}", history::bare_list(&shown)), None);
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

fn protocol_name(protocol: PortProtocol) -> &'static str {
    match protocol {
        PortProtocol::Tcp => "tcp",
        PortProtocol::Udp => "udp",
        PortProtocol::Sctp => "sctp",
    }
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

fn healthcheck(state: &mut StageState, test: &HealthcheckTest) {
    let check = match test {
        HealthcheckTest::Disabled => Healthcheck {
            test: vec!["NONE".to_owned()],
            ..Healthcheck::default()
        },
        HealthcheckTest::Probe(probe) => probe_check(probe),
    };
    state.record(format!("HEALTHCHECK {}", history::healthcheck(&check)), None);
    state.config.config.healthcheck = Some(check);
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
