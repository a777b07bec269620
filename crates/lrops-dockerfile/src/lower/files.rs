//! `COPY`, `ADD` and `WORKDIR`.

use std::path::Path;

use lrops_model::graph::{
    CopyInstruction, CopyOp, CopySource, InlineFile, MakeDirectoryOp, MergeOp, Op, Step, StepId,
};

use super::stage::{StageLowering, StageState, Trigger};
use super::{paths, rules};
use crate::instruction::{Add, Copy, Origin, Source, Workdir};
use crate::syntax::Word;
use crate::words::{Expander, Quotes};

/// What `COPY` and `ADD` have in common.
struct Files<'a> {
    origin: &'a Origin,
    instruction: CopyInstruction,
    sources: &'a [Source],
    destination: &'a Word,
    chown: Option<&'a Word>,
    chmod: Option<&'a Word>,
    excludes: &'a [Word],
    link: bool,
    unpack: bool,
    /// Where the sources are; `None` for a stage without files.
    input: Option<StepId>,
}

impl StageLowering<'_> {
    /// Lowers a `COPY`.
    pub(super) fn copy(&mut self, state: &mut StageState, copy: &Copy, trigger: Trigger) {
        if copy.parents {
            self.not_yet("COPY --parents", &copy.origin.keyword.span);
        }
        let input = match &copy.from {
            None => Some(self.context_step(&self.inputs.main_context.clone())),
            Some(from) => match self.source(state, &from.text, &from.span) {
                Some(input) => input,
                // It is not known yet, or was reported: what follows is still worth looking at.
                None => None,
            },
        };
        let files = Files {
            origin: &copy.origin,
            instruction: CopyInstruction::Copy,
            sources: &copy.sources,
            destination: &copy.destination,
            chown: copy.chown.as_ref(),
            chmod: copy.chmod.as_ref(),
            excludes: &copy.excludes,
            link: copy.link,
            unpack: false,
            input,
        };
        self.files(state, &files, trigger);
    }

    /// Lowers an `ADD`.
    pub(super) fn add(&mut self, state: &mut StageState, add: &Add, trigger: Trigger) {
        if let Some(checksum) = &add.checksum {
            self.not_yet("ADD --checksum", &checksum.span);
        }
        if add.keep_git_directory.is_some() {
            self.not_yet("ADD --keep-git-dir", &add.origin.keyword.span);
        }
        let input = Some(self.context_step(&self.inputs.main_context.clone()));
        let files = Files {
            origin: &add.origin,
            instruction: CopyInstruction::Add,
            sources: &add.sources,
            destination: &add.destination,
            chown: add.chown.as_ref(),
            chmod: add.chmod.as_ref(),
            excludes: &add.excludes,
            link: add.link,
            unpack: add.unpack.unwrap_or(true),
            input,
        };
        self.files(state, &files, trigger);
    }

    fn files(&mut self, state: &mut StageState, files: &Files<'_>, trigger: Trigger) {
        let first_source = usize::from(!files.link);
        let sources = self.sources(state, files, first_source);
        let owner = files.chown.and_then(|word| self.expand(state, word));
        let mode = files.chmod.and_then(|word| self.chmod(state, word));
        let Some(destination) = self.expand(state, files.destination) else {
            return;
        };
        let shown = shown(files, owner.as_deref(), mode.as_deref(), &sources, &destination);
        let op = Op::Copy(CopyOp {
            sources,
            destination: paths::destination(&state.config.config.working_dir, &destination),
            owner: owner.filter(|owner| !owner.is_empty()),
            mode: mode.filter(|mode| !mode.is_empty()),
            exclude: files.excludes.iter().map(|word| word.text.clone()).collect(),
            unpack: files.unpack,
            link: files.link,
            instruction: files.instruction,
        });
        let text = prefix(trigger) + &self.display(state, files.origin);
        let label = state.next_label(&self.inputs.file, &text, files.origin);
        let inputs = if files.link {
            vec![files.input]
        } else {
            vec![state.root, files.input]
        };
        let step = self.graph.add(
            Step {
                op,
                inputs,
                label: label.clone(),
            },
            self.target,
        );
        state.root = Some(match (files.link, state.root) {
            (true, Some(root)) => {
                let inputs = vec![Some(root), Some(step)];
                self.graph.add(
                    Step {
                        op: Op::Merge(MergeOp {}),
                        inputs,
                        label,
                    },
                    self.target,
                )
            }
            _ => step,
        });
        state.record(shown, Some(step));
    }

    fn sources(&mut self, state: &StageState, files: &Files<'_>, input: usize) -> Vec<CopySource> {
        let mut sources = Vec::new();
        for source in files.sources {
            match source {
                Source::Path(word) => {
                    let Some(text) = self.expand(state, word) else {
                        continue;
                    };
                    self.check_remote(files.instruction, &text, word);
                    sources.push(CopySource::Path { input, pattern: text });
                }
                Source::Inline(file) => {
                    let content = if file.expand {
                        // Quotes in a heredoc are characters like others; only variables are replaced.
                        let expander = Expander {
                            quotes: Quotes::Ordinary,
                            ..Expander::new('\\')
                        };
                        match expander.expand(&file.content, &|name| state.environment.get(name)) {
                            Ok(expanded) => expanded.text,
                            Err(error) => {
                                self.error(
                                    rules::BAD_WORD,
                                    error.problem.to_string(),
                                    &file.place.span,
                                    None,
                                );
                                continue;
                            }
                        }
                    } else {
                        file.content.clone()
                    };
                    sources.push(CopySource::Inline(InlineFile {
                        name: file.name.clone(),
                        content,
                    }));
                }
            }
        }
        sources
    }

    /// Reports remote sources: `COPY` never takes them, `ADD` does not yet.
    fn check_remote(&mut self, instruction: CopyInstruction, text: &str, word: &Word) {
        let git = is_git_source(text);
        let http = text.starts_with("http://") || text.starts_with("https://");
        let kind = match (git, http) {
            (true, _) => "git",
            (false, true) => "URL",
            (false, false) => return,
        };
        match (instruction, kind) {
            (CopyInstruction::Add, kind) => self.not_yet(&format!("ADD of a {kind} source"), &word.span),
            (CopyInstruction::Copy, "git") => {
                self.error(
                    rules::INVALID_FROM,
                    "source can't be a git ref for COPY",
                    &word.span,
                    None,
                );
            }
            (CopyInstruction::Copy, _) => {
                let advice = "ADD takes URLs".to_owned();
                self.error(
                    rules::INVALID_FROM,
                    "source can't be a URL for COPY",
                    &word.span,
                    Some(advice),
                );
            }
        }
    }

    /// Expands a mode and checks what can be checked without files: an octal number in range.
    fn chmod(&mut self, state: &StageState, word: &Word) -> Option<String> {
        let text = self.expand(state, word)?;
        let numeric = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let in_range = u32::from_str_radix(&text, 8).is_ok_and(|mode| mode <= 0o7777);
        let symbolic = text.bytes().all(|byte| b"ugoarwxXst+-=,".contains(&byte));
        if text.is_empty() || (numeric && in_range) || (!numeric && symbolic) {
            return Some(text);
        }
        let message =
            format!("invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777");
        self.error(rules::INVALID_CHMOD, message, &word.span, None);
        None
    }

    /// Lowers a `WORKDIR`.
    pub(super) fn workdir(&mut self, state: &mut StageState, workdir: &Workdir, trigger: Trigger) {
        let Some(path) = self.expand(state, &workdir.path) else {
            return;
        };
        let path = paths::join(&state.config.config.working_dir, &path);
        state.config.config.working_dir.clone_from(&path);
        let text = prefix(trigger) + &self.display(state, &workdir.origin);
        let label = state.next_label(&self.inputs.file, &text, &workdir.origin);
        let step = (path != "/").then(|| {
            let op = Op::MakeDirectory(MakeDirectoryOp {
                path: path.clone(),
                user: state.config.config.user.clone(),
            });
            self.graph.add(
                Step {
                    op,
                    inputs: vec![state.root],
                    label,
                },
                self.target,
            )
        });
        state.root = step.or(state.root);
        state.record(format!("WORKDIR {path}"), step);
    }
}

/// Returns whether `ADD` would fetch this with git. A path that only could be one is a path.
fn is_git_source(text: &str) -> bool {
    let path = text.split(['#', '?']).next().unwrap_or_default();
    let git_path = Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "git");
    let web = text.starts_with("http://") || text.starts_with("https://");
    text.starts_with("git@") || text.starts_with("git://") || text.starts_with("ssh://") || (web && git_path)
}

/// What stands before an instruction that an image's trigger brought.
pub(super) fn prefix(trigger: Trigger) -> String {
    match trigger {
        Trigger::Yes => "ONBUILD ".to_owned(),
        Trigger::No => String::new(),
    }
}

/// The line of the history.
fn shown(
    files: &Files<'_>,
    owner: Option<&str>,
    mode: Option<&str>,
    sources: &[CopySource],
    destination: &str,
) -> String {
    let mut words = vec![match files.instruction {
        CopyInstruction::Copy => "COPY".to_owned(),
        CopyInstruction::Add => "ADD".to_owned(),
    }];
    words.extend(owner.map(|owner| format!("--chown={owner}")));
    words.extend(mode.map(|mode| format!("--chmod={mode}")));
    for source in sources {
        words.push(match source {
            CopySource::Path { pattern, .. } => pattern.clone(),
            CopySource::Inline(file) => format!("<<{}", file.name),
        });
    }
    words.push(destination.to_owned());
    words.push("# buildkit".to_owned());
    words.join(" ")
}
