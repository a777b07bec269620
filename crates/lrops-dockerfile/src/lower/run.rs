//! `RUN`: the command, its environment, its mounts.

use std::collections::BTreeSet;

use lrops_model::change::Owner;
use lrops_model::graph::{
    CacheSharing, InlineFile, Op, RunMount, RunMountKind, RunNetwork, RunOp, RunSecurity, Step, StepId,
};

use super::metadata::{command, with_shell};
use super::source::{From, SourceFiles};
use super::stage::StageLowering;
use super::state::StageState;
use super::{paths, rules};
use crate::instruction::{
    BindMount, CacheMount, CacheSharing as WrittenSharing, CommandLine, FileOwner, Mount, MountFlag, Network,
    ResolveMountError, Run, SecretMount, Security, TmpfsMount,
};
use crate::syntax::{Heredoc, Span};
use crate::words::{ExpandError, Expander};

/// Where the script of a heredoc that names its interpreter is shown; as in `BuildKit`.
const SCRIPTS: &str = "/dev/pipes";

impl StageLowering<'_> {
    /// Lowers a `RUN`.
    pub(super) fn run(&mut self, state: &mut StageState, run: &Run) {
        if !run.devices.is_empty() {
            self.not_yet("RUN --device", &run.origin.keyword.span);
        }
        let (arguments, scripts) = command_and_scripts(state, run);
        let mut inputs = vec![state.root];
        let mounts = self.mounts(state, run, &mut inputs);
        let history = run_history(state, &arguments);
        let op = Op::Run(RunOp {
            arguments,
            environment: state.environment.pairs().to_vec(),
            working_directory: state.working_directory(),
            user: state.config.config.user.clone(),
            mounts,
            network: match run.network {
                None | Some(Network::Default) => self.inputs.network,
                Some(Network::Host) => RunNetwork::Host,
                Some(Network::None) => RunNetwork::None,
            },
            security: match run.security {
                Security::Sandbox => RunSecurity::Sandbox,
                Security::Insecure => RunSecurity::Insecure,
            },
            platform: state.platform.clone(),
            scripts,
        });
        let mut text = self.display(state, &run.origin);
        if let [heredoc] = run.heredocs.as_slice() {
            text = format!("{text} ({})", first_line(&heredoc.text()));
        }
        let label = state.next_label(&self.inputs.file, &text, self.spot.place.clone());
        let step = self.graph.add(Step { op, inputs, label }, self.target);
        state.root = Some(step);
        state.record(history, Some(step));
    }

    fn mounts(&mut self, state: &StageState, run: &Run, inputs: &mut Vec<Option<StepId>>) -> Vec<RunMount> {
        let mut mounts = Vec::new();
        for flag in &run.mounts {
            let Some(mount) = self.resolve_mount(state, flag) else {
                continue;
            };
            let span = &flag.text.span;
            mounts.extend(match mount {
                Mount::Bind(bind) => self.bind(state, &bind, span, inputs),
                Mount::Cache(cache) => self.cache(state, &cache, span, inputs),
                Mount::Tmpfs(tmpfs) => self.tmpfs(state, &tmpfs, span),
                Mount::Secret(secret) => self.secret(state, &secret, span),
                Mount::Ssh(_) => {
                    self.not_yet("RUN --mount=type=ssh", span);
                    None
                }
            });
        }
        mounts
    }

    fn resolve_mount(&mut self, state: &StageState, flag: &MountFlag) -> Option<Mount> {
        let expander = Expander::new(self.dockerfile.directives.escape);
        let mut unset = BTreeSet::new();
        let expand = |word: &str| -> Result<String, ExpandError> {
            let mut expanded = expander.expand(word, &|name| state.environment.get(name))?;
            unset.append(&mut expanded.unset);
            Ok(expanded.text)
        };
        let resolved = flag.resolve(expand);
        self.warn_of_undefined(state, unset.iter().map(String::as_str));
        match resolved {
            Ok(mount) => Some(mount),
            Err(ResolveMountError::Expand(error)) => {
                self.expansion_error(&error, &flag.text.span);
                None
            }
            Err(ResolveMountError::Invalid(invalid)) => {
                self.error(
                    rules::INVALID_MOUNT,
                    invalid.message,
                    &flag.text.span,
                    invalid.advice,
                );
                None
            }
        }
    }

    fn bind(
        &mut self,
        state: &StageState,
        bind: &BindMount,
        span: &Span,
        inputs: &mut Vec<Option<StepId>>,
    ) -> Option<RunMount> {
        let target = self.mount_target(state, &bind.target, span)?;
        let step = match &bind.from {
            None => Some(self.context_step(&self.inputs.main_context.clone())),
            Some(from) => {
                let from = From::Mount {
                    name: from,
                    target: &bind.target,
                };
                let SourceFiles(step) = self.source(state.index, from, span)?;
                step
            }
        };
        let source = paths::join("/", &bind.source);
        let kind = RunMountKind::Bind {
            input: input(inputs, step),
            source,
            writable: !bind.read_only,
        };
        Some(RunMount { target, kind })
    }

    fn cache(
        &mut self,
        state: &StageState,
        cache: &CacheMount,
        span: &Span,
        inputs: &mut Vec<Option<StepId>>,
    ) -> Option<RunMount> {
        let target = self.mount_target(state, &cache.target, span)?;
        let initial = match &cache.from {
            None => None,
            Some(from) => {
                let from = From::Mount {
                    name: from,
                    target: &cache.target,
                };
                let SourceFiles(step) = self.source(state.index, from, span)?;
                Some((input(inputs, step), paths::join("/", &cache.source)))
            }
        };
        let kind = RunMountKind::Cache {
            id: cache.id.clone().unwrap_or_else(|| paths::clean(&cache.target)),
            sharing: match cache.sharing {
                WrittenSharing::Shared => CacheSharing::Shared,
                WrittenSharing::Private => CacheSharing::Private,
                WrittenSharing::Locked => CacheSharing::Locked,
            },
            initial,
            read_only: cache.read_only,
            mode: cache.owner.mode.unwrap_or(0o755),
            owner: owner(cache.owner),
        };
        Some(RunMount { target, kind })
    }

    fn tmpfs(&mut self, state: &StageState, tmpfs: &TmpfsMount, span: &Span) -> Option<RunMount> {
        let target = self.mount_target(state, &tmpfs.target, span)?;
        Some(RunMount {
            target,
            kind: RunMountKind::Tmpfs {
                size: tmpfs.size.unwrap_or(0),
            },
        })
    }

    fn secret(&mut self, state: &StageState, secret: &SecretMount, span: &Span) -> Option<RunMount> {
        let target = match &secret.target {
            Some(target) => self.mount_target(state, target, span)?,
            None => String::new(),
        };
        let kind = RunMountKind::Secret {
            id: secret.id.clone(),
            required: secret.required,
            variable: secret.environment.clone(),
            as_file: secret.target.is_some(),
            mode: secret.owner.mode.unwrap_or(0o400),
            owner: owner(secret.owner),
        };
        Some(RunMount { target, kind })
    }

    fn mount_target(&mut self, state: &StageState, target: &str, span: &Span) -> Option<String> {
        let joined = paths::join(&state.working_directory(), target);
        if joined == "/" {
            let message = "invalid mount target \"/\"";
            self.error(rules::INVALID_MOUNT, message, span, None);
            return None;
        }
        Some(joined)
    }
}

/// Returns the index of a step among the inputs, adding it when it is not there. The first input is the file system
/// that the command changes, and is never shared with a mount.
fn input(inputs: &mut Vec<Option<StepId>>, step: Option<StepId>) -> usize {
    if let Some(index) = inputs.iter().skip(1).position(|other| *other == step) {
        return index + 1;
    }
    inputs.push(step);
    inputs.len() - 1
}

fn owner(written: FileOwner) -> Owner {
    Owner {
        uid: written.user.unwrap_or(0),
        gid: written.group.unwrap_or(0),
    }
}

/// Returns what is run, and the scripts that it needs as files.
///
/// A heredoc that is the whole command is given to the shell, or is a program of its own when it names its
/// interpreter. A heredoc within a command is put together again for the shell, which understands it.
fn command_and_scripts(state: &StageState, run: &Run) -> (Vec<String>, Vec<InlineFile>) {
    let (CommandLine::Shell(text), false) = (&run.command, run.heredocs.is_empty()) else {
        return (command(state, &run.command), Vec::new());
    };
    if matches!(Heredoc::from_word(&text.text), Ok(Some(_))) {
        let content = run.heredocs[0].text();
        if !content.starts_with("#!") || state.config.os == "windows" {
            return (with_shell(state, content), Vec::new());
        }
        let name = run.heredocs[0].name.clone();
        let path = format!("{SCRIPTS}/{name}");
        return (with_shell(state, path), vec![InlineFile { name, content }]);
    }
    let mut script = text.text.clone();
    for heredoc in &run.heredocs {
        script.push('\n');
        script.push_str(&heredoc.content);
        script.push_str(&heredoc.name);
    }
    (with_shell(state, script), Vec::new())
}

/// The first line that says something, for the label.
fn first_line(text: &str) -> String {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default().trim().to_owned();
    if lines.next().is_some() {
        first + "..."
    } else {
        first
    }
}

/// `RUN |2 A=1 B=2 /bin/sh -c …`: with the arguments that the command saw.
fn run_history(state: &StageState, arguments: &[String]) -> String {
    let mut seen: Vec<(&str, String)> = Vec::new();
    for (name, value) in &state.build_args {
        let value = state
            .environment
            .get(name)
            .map_or_else(|| value.clone().unwrap_or_default(), str::to_owned);
        match seen.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => *old = value,
            None => seen.push((name, value)),
        }
    }
    let mut words = vec!["RUN".to_owned()];
    if !seen.is_empty() {
        words.push(format!("|{}", seen.len()));
        words.extend(seen.into_iter().map(|(name, value)| format!("{name}={value}")));
    }
    words.extend(arguments.iter().cloned());
    words.push("# buildkit".to_owned());
    words.join(" ")
}
