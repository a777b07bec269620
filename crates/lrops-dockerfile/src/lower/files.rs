//! `COPY`, `ADD` and `WORKDIR`.

use lrops_model::graph::{
    CopyInstruction, CopyOp, CopySource, InlineFile, MakeDirectoryOp, MergeOp, Op, Step, StepId,
};

use super::source::{From, SourceFiles};
use super::stage::StageLowering;
use super::state::StageState;
use super::{paths, rules};
use crate::check::rules as checks;
use crate::git_url::{GitScheme, GitUrl};
use crate::instruction::{Add, Copy, InlineFile as WrittenFile, Origin, Source, Workdir};
use crate::syntax::{Word, quoted};
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
    /// Whether they are in the build's own context, where the ignore file holds.
    from_main_context: bool,
}

impl StageLowering<'_> {
    /// Lowers a `COPY`.
    pub(super) fn copy(&mut self, state: &mut StageState, copy: &Copy) {
        if copy.parents {
            self.not_yet("COPY --parents", &copy.origin.keyword.span);
        }
        let input = match &copy.from {
            None => Some(self.context_step(&self.inputs.main_context.clone())),
            // It is not known yet, or was reported: what follows is still worth looking at.
            Some(from) => match self.source(state.index, From::Copy(&from.text), &from.span) {
                Some(SourceFiles(step)) => step,
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
            from_main_context: copy.from.is_none(),
        };
        self.files(state, &files);
    }

    /// Lowers an `ADD`. `--keep-git-dir` speaks of git sources, which are reported where they stand.
    pub(super) fn add(&mut self, state: &mut StageState, add: &Add) {
        if let Some(checksum) = &add.checksum {
            self.check_checksum(state, add, checksum);
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
            from_main_context: true,
        };
        self.files(state, &files);
    }

    /// A checksum belongs to one remote source, and its algorithm must be known.
    fn check_checksum(&mut self, state: &StageState, add: &Add, checksum: &Word) {
        let Some(expected) = self.expand(state, checksum) else {
            return;
        };
        if expected.is_empty() {
            return;
        }
        let paths = add.sources.iter().filter_map(|source| match source {
            Source::Path(word) => Some(word),
            Source::Inline(_) => None,
        });
        let paths: Vec<&Word> = paths.collect();
        let [path] = paths.as_slice() else {
            let message = "checksum can't be specified for multiple sources";
            return self.error(rules::INVALID_CHECKSUM, message, &checksum.span, None);
        };
        let Some(path) = self.expand(state, path) else {
            return;
        };
        let known = ["sha256", "sha384", "sha512"];
        match (Remote::of(&path), expected.split_once(':')) {
            (None, _) => {
                let message = "checksum requires HTTP(S) or Git sources";
                self.error(rules::INVALID_CHECKSUM, message, &checksum.span, None);
            }
            (Some(Remote::Web), Some((algorithm, _))) if !known.contains(&algorithm) => {
                let message = "unsupported digest algorithm";
                let advice = "write sha256: and 64 hexadecimal digits".to_owned();
                self.error(rules::INVALID_CHECKSUM, message, &checksum.span, Some(advice));
            }
            (Some(Remote::Web), None) => {
                let message = "invalid checksum digest format";
                self.error(rules::INVALID_CHECKSUM, message, &checksum.span, None);
            }
            (Some(_), _) => {}
        }
    }

    fn files(&mut self, state: &mut StageState, files: &Files<'_>) {
        let sources = self.sources(state, files, usize::from(!files.link));
        let owner = files.chown.and_then(|word| self.expand(state, word));
        let mode = files.chmod.and_then(|word| self.chmod(state, word));
        let Some(destination) = self.expand(state, files.destination) else {
            return;
        };
        let owner = owner.filter(|owner| !owner.is_empty());
        let mode = mode.filter(|mode| !mode.is_empty());
        let shown = shown(files, owner.as_deref(), mode.as_deref(), &sources, &destination);
        let op = Op::Copy(CopyOp {
            sources,
            destination: paths::destination(&state.working_directory(), &destination),
            owner,
            mode,
            exclude: files.excludes.iter().map(|word| word.text.clone()).collect(),
            unpack: files.unpack,
            link: files.link,
            instruction: files.instruction,
        });
        let text = self.display(state, files.origin);
        let label = state.next_label(&self.inputs.file, &text, self.spot.place.clone());
        let inputs = if files.link {
            vec![files.input]
        } else {
            vec![state.root, files.input]
        };
        let copied = Step {
            op,
            inputs,
            label: label.clone(),
        };
        let copied = self.graph.add(copied, self.target);
        state.root = Some(match (files.link, state.root) {
            (true, Some(root)) => {
                let merged = Step {
                    op: Op::Merge(MergeOp {}),
                    inputs: vec![Some(root), Some(copied)],
                    label,
                };
                self.graph.add(merged, self.target)
            }
            _ => copied,
        });
        state.record(shown, Some(copied));
    }

    /// Paths first and then heredocs, in the order in which the reference copies them.
    fn sources(&mut self, state: &StageState, files: &Files<'_>, input: usize) -> Vec<CopySource> {
        let mut sources = Vec::new();
        for source in files.sources {
            if let Source::Path(word) = source
                && let Some(pattern) = self.expand(state, word)
            {
                self.check_remote(files.instruction, &pattern, word);
                self.warn_of_ignored(files, &pattern);
                sources.push(CopySource::Path { input, pattern });
            }
        }
        for source in files.sources {
            if let Source::Inline(file) = source {
                sources.extend(self.inline_file(state, file));
            }
        }
        sources
    }

    /// A heredoc; quotes in it are characters like others, and the escape character is always `\`.
    fn inline_file(&mut self, state: &StageState, file: &WrittenFile) -> Option<CopySource> {
        let content = if file.expand {
            let expander = Expander {
                quotes: Quotes::Ordinary,
                ..Expander::new('\\')
            };
            self.expand_by(&expander, state, &file.content, &file.place.span)?
        } else {
            file.content.clone()
        };
        let name = file.name.clone();
        Some(CopySource::Inline(InlineFile { name, content }))
    }

    /// Reports remote sources: `COPY` never takes them, `ADD` does not yet.
    fn check_remote(&mut self, instruction: CopyInstruction, text: &str, word: &Word) {
        let Some(remote) = Remote::of(text) else { return };
        let kind = match remote {
            Remote::Git => "git ref",
            Remote::Web => "URL",
        };
        match instruction {
            CopyInstruction::Add => self.not_yet(&format!("ADD of a {kind}"), &word.span),
            CopyInstruction::Copy => {
                let message = format!("source can't be a {kind} for COPY");
                let advice = format!("ADD takes a {kind}");
                self.error(rules::INVALID_SOURCE, message, &word.span, Some(advice));
            }
        }
    }

    /// Warns of a source that the ignore file leaves out. With exceptions in it, only a look at the files could tell.
    fn warn_of_ignored(&mut self, files: &Files<'_>, source: &str) {
        let Some(ignore) = &self.scope.ignore else { return };
        if !files.from_main_context
            || ignore.is_empty()
            || ignore.has_exceptions()
            || Remote::of(source).is_some()
        {
            return;
        }
        let path = paths::clean(source);
        // The root of the context is no path that can be left out, unless all that is in it is.
        let leaves_out_all = || {
            ignore
                .iter()
                .any(|pattern| ["*", "**", "**/*"].contains(&pattern.as_str()))
        };
        if (path == "." || path == "/") && !leaves_out_all() {
            return;
        }
        if ignore.matches(&path) {
            let command = match files.instruction {
                CopyInstruction::Copy => "Copy",
                CopyInstruction::Add => "Add",
            };
            let path = quoted(&path);
            let message = format!("Attempting to {command} file {path} that is excluded by .dockerignore");
            self.warn(checks::COPY_IGNORED_FILE, message);
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
    pub(super) fn workdir(&mut self, state: &mut StageState, workdir: &Workdir) {
        let Some(path) = self.expand(state, &workdir.path) else {
            return;
        };
        if !state.workdir_is_set && !path.starts_with('/') {
            let path = quoted(&path);
            let message =
                format!("Relative workdir {path} can have unexpected results if the base image changes");
            self.warn(checks::WORKDIR_RELATIVE_PATH, message);
        }
        state.workdir_is_set = true;
        let text = self.display(state, &workdir.origin);
        let label = state.next_label(&self.inputs.file, &text, self.spot.place.clone());
        let os = &state.platform.os;
        let written = paths::working_directory(os, &state.config.config.working_dir, &path);
        state.config.config.working_dir.clone_from(&written);
        let path = state.working_directory();
        let step = (path != "/").then(|| {
            let user = state.config.config.user.clone();
            let op = Op::MakeDirectory(MakeDirectoryOp { path, user });
            let inputs = vec![state.root];
            self.graph.add(Step { op, inputs, label }, self.target)
        });
        state.root = step.or(state.root);
        state.record(format!("WORKDIR {written}"), step);
    }
}

/// A source that is not a file of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remote {
    /// A git repository.
    Git,
    /// Something that a web server gives.
    Web,
}

impl Remote {
    /// Returns what a source is. `github.com/…` could be a path, and is one.
    fn of(source: &str) -> Option<Self> {
        let is_web = source.starts_with("http://") || source.starts_with("https://");
        let is_path = ["./", "../", "github.com/"]
            .iter()
            .any(|start| source.starts_with(start));
        let git = GitUrl::parse(source).ok().filter(|git| {
            let web = matches!(git.scheme, GitScheme::Http | GitScheme::Https);
            !is_path && (!web || git.path.strip_suffix(".git").is_some())
        });
        match (git, is_web) {
            (Some(_), _) => Some(Self::Git),
            (None, true) => Some(Self::Web),
            (None, false) => None,
        }
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
