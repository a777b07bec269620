//! What is to be done: an [`Op`] says one thing, a [`Step`] is an op with its inputs, a [`Graph`] is all steps and
//! the images that they make.
//!
//! A step's identity is the digest of its op and of its inputs' identities. Two platforms whose stages read nothing
//! platform-dependent lower to steps of the same identity, and such steps are one step: that is how a UI is built
//! once however many platforms are asked for. What only people see (labels, places, the names of images) enters no
//! identity.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::change::Owner;
use crate::digest::{DiffId, Digest};
use crate::finding::Place;
use crate::oci::{Descriptor, History, ImageConfig};
use crate::platform::Platform;

/// A step's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub Digest);

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.short())
    }
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// The file system of an image: no inputs.
    Image(ImageOp),
    /// A directory outside the build that `COPY` and `RUN --mount` can read: no inputs.
    Context(ContextOp),
    /// A command: the first input is the file system it changes, further ones are what its mounts read.
    Run(RunOp),
    /// Files copied: the first input is the file system they come into (absent with `--link`), further ones are
    /// where they come from.
    Copy(CopyOp),
    /// `WORKDIR`: a directory that must exist. One input.
    MakeDirectory(MakeDirectoryOp),
    /// The second input's files laid over the first's, without looking at either (`COPY --link`).
    Merge(MergeOp),
}

impl Op {
    /// Returns the op's version for cache keys. It rises when the same op would give another result.
    pub fn version(&self) -> &'static str {
        match self {
            Self::Image(_) => "image.v1",
            Self::Context(_) => "context.v1",
            Self::Run(_) => "run.v1",
            Self::Copy(_) => "copy.v1",
            Self::MakeDirectory(_) => "make-directory.v1",
            Self::Merge(_) => "merge.v1",
        }
    }
}

/// The file system of an image for one platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageOp {
    /// The name it was asked by, for people.
    #[serde(skip)]
    pub name: String,
    /// Its manifest.
    #[serde(skip)]
    pub manifest: Option<Descriptor>,
    /// Where its layers' blobs are, lowest first.
    #[serde(skip)]
    pub layers: Vec<Descriptor>,
    /// What its layers hold, lowest first: the identity.
    pub diff_ids: Vec<DiffId>,
}

/// A directory outside the build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextOp {
    /// The name of the context; [`ContextOp::MAIN`] for the build's own.
    pub name: String,
}

impl ContextOp {
    /// The name of the build's own context, as BuildKit spells it in a named context that replaces it.
    pub const MAIN: &str = "context";
}

/// A command that runs in a file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOp {
    /// The program and its arguments.
    pub arguments: Vec<String>,
    /// The environment, in order.
    pub environment: Vec<(String, String)>,
    /// The working directory, absolute.
    pub working_directory: String,
    /// `USER` as it was written, empty for root.
    pub user: String,
    /// What is mounted, in order.
    pub mounts: Vec<RunMount>,
    /// `--network`.
    pub network: RunNetwork,
    /// `--security`.
    pub security: RunSecurity,
    /// Whose programs run.
    pub platform: Platform,
    /// Files that the sandbox shows below `/dev/pipes`: heredoc scripts that name their own interpreter.
    pub scripts: Vec<InlineFile>,
}

/// A file whose content stands in the Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlineFile {
    /// Its name, without directory.
    pub name: String,
    /// Its content.
    pub content: String,
}

/// One `RUN --mount`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMount {
    /// Where it is mounted, absolute.
    pub target: String,
    /// What is mounted.
    pub kind: RunMountKind,
}

/// What a `RUN --mount` mounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunMountKind {
    /// A file or directory of an input. Writes are possible when `writable`, and thrown away.
    Bind {
        /// Index into the step's inputs.
        input: usize,
        /// Path within the input.
        source: String,
        /// Whether the command may write.
        writable: bool,
    },
    /// A directory that outlives the build.
    Cache {
        /// The cache's name.
        id: String,
        /// Who may use it at the same time.
        sharing: CacheSharing,
        /// What it holds at first: index into the inputs and a path, when `from` was given.
        initial: Option<(usize, String)>,
        /// Whether the command may not write.
        read_only: bool,
        /// Permission bits of a new cache directory.
        mode: u32,
        /// Owner of a new cache directory.
        owner: Owner,
    },
    /// An empty directory in memory.
    Tmpfs {
        /// Its limit in bytes, 0 for none.
        size: u64,
    },
    /// A secret, as a file and perhaps as a variable.
    Secret {
        /// The secret's name.
        id: String,
        /// Whether a missing one is an error.
        required: bool,
        /// The variable that holds it, if any.
        variable: Option<String>,
        /// Whether it is shown as a file at the target.
        as_file: bool,
        /// Permission bits of the file.
        mode: u32,
        /// Owner of the file.
        owner: Owner,
    },
}

/// Who may use a cache mount at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheSharing {
    /// Everyone.
    Shared,
    /// Everyone, each with a directory of their own.
    Private,
    /// One at a time.
    Locked,
}

/// The network that a command sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunNetwork {
    /// The host's network (also what BuildKit's `default` means to a command).
    Host,
    /// Only a loopback of its own.
    None,
}

/// How a command is confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunSecurity {
    /// Default capabilities and system call filter.
    Sandbox,
    /// All capabilities, no filter.
    Insecure,
}

/// Files copied into a file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyOp {
    /// Where from, in order.
    pub sources: Vec<CopySource>,
    /// Where to: absolute. A trailing `/` means a directory.
    pub destination: String,
    /// `--chown`, expanded.
    pub owner: Option<String>,
    /// `--chmod`, expanded.
    pub mode: Option<String>,
    /// `--exclude` patterns, expanded.
    pub exclude: Vec<String>,
    /// Whether local archives are unpacked (`ADD`).
    pub unpack: bool,
    /// Whether the result stands alone (`--link`): then the op has no file system as its first input.
    pub link: bool,
    /// Which instruction it is, for messages: `COPY` or `ADD`.
    pub instruction: CopyInstruction,
}

/// The instruction that a [`CopyOp`] came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CopyInstruction {
    /// `COPY`.
    Copy,
    /// `ADD`.
    Add,
}

/// One source of a [`CopyOp`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopySource {
    /// Paths of an input that match a pattern (Go's `filepath.Match`).
    Path {
        /// Index into the step's inputs.
        input: usize,
        /// The pattern.
        pattern: String,
    },
    /// A heredoc.
    Inline(InlineFile),
}

/// A directory that must exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MakeDirectoryOp {
    /// The directory, absolute.
    pub path: String,
    /// `USER` at that point: who owns the directory if it has to be made.
    pub user: String,
}

/// Two file systems, one over the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeOp {}

/// An op with its inputs.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is done.
    pub op: Op,
    /// What it is done with; `None` where a file system is empty (`FROM scratch`).
    pub inputs: Vec<Option<StepId>>,
    /// What people see.
    pub label: StepLabel,
}

impl Step {
    /// Returns the identity: the digest of the op and of the inputs' identities.
    pub fn id(&self) -> StepId {
        #[derive(Serialize)]
        struct Identity<'a> {
            version: &'static str,
            op: &'a Op,
            inputs: &'a [Option<StepId>],
        }
        let identity = Identity {
            version: self.op.version(),
            op: &self.op,
            inputs: &self.inputs,
        };
        StepId(Digest::of(crate::oci::encode(&identity)))
    }
}

/// What people see of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StepLabel {
    /// The stage's name, or its number in text form when it has none.
    pub stage: String,
    /// Position of the instruction among the stage's steps, from 1.
    pub position: u32,
    /// How many steps the stage has.
    pub total: u32,
    /// The instruction, as a person would write it.
    pub instruction: String,
    /// The name of the Dockerfile it stands in; its text is in [`Graph::texts`].
    pub file: String,
    /// Where it stands there.
    pub place: Option<Place>,
    /// Target platforms that need the step; filled while graphs are merged.
    pub platforms: Vec<Platform>,
    /// The platform that the stage is of.
    pub stage_platform: Option<Platform>,
    /// Whether it runs programs that are emulated; filled when all is planned.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub emulated: bool,
}

/// All steps, and the images that they make.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The steps by identity.
    pub steps: BTreeMap<StepId, Step>,
    /// The identities in the order in which the steps were met: inputs always stand before what uses them.
    pub order: Vec<StepId>,
    /// One image a target platform, in the order asked.
    pub images: Vec<ImagePlan>,
    /// The Dockerfiles that the steps stand in, by name, for excerpts.
    pub texts: BTreeMap<String, String>,
}

impl Graph {
    /// Adds a step for a target platform and returns its identity; a step that is there already is shared.
    pub fn add(&mut self, step: Step, target: &Platform) -> StepId {
        let id = step.id();
        let entry = self.steps.entry(id).or_insert_with(|| {
            self.order.push(id);
            step
        });
        if !entry.label.platforms.contains(target) {
            entry.label.platforms.push(target.clone());
        }
        id
    }

    /// Returns the step of an identity that this graph gave.
    pub fn step(&self, id: StepId) -> &Step {
        &self.steps[&id]
    }

    /// Returns the steps whose changes are layers of the file system at `top`, lowest first. The first is an
    /// [`Op::Image`] unless the file system starts from nothing.
    pub fn chain(&self, top: Option<StepId>) -> Vec<StepId> {
        let mut chain = Vec::new();
        let mut next = top;
        while let Some(id) = next {
            let step = self.step(id);
            next = match &step.op {
                Op::Merge(_) => {
                    chain.extend(step.inputs[1]);
                    step.inputs[0]
                }
                Op::Run(_) | Op::MakeDirectory(_) => {
                    chain.push(id);
                    step.inputs[0]
                }
                Op::Copy(copy) => {
                    chain.push(id);
                    if copy.link { None } else { step.inputs[0] }
                }
                Op::Image(_) | Op::Context(_) => {
                    chain.push(id);
                    None
                }
            };
        }
        chain.reverse();
        chain
    }
}

/// One platform's image: which file system, and the config that goes with it.
#[derive(Clone, Debug)]
pub struct ImagePlan {
    /// The target platform.
    pub platform: Platform,
    /// The file system; `None` when it is empty.
    pub root: Option<StepId>,
    /// The config, without layers and history.
    pub config: ImageConfig,
    /// The base image's history.
    pub base_history: Vec<History>,
    /// One entry an instruction after the base.
    pub history: Vec<HistoryPlan>,
}

/// One future entry of an image's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPlan {
    /// The instruction, as the history shows it.
    pub created_by: String,
    /// `MAINTAINER` at that point.
    pub author: String,
    /// The step whose changes are the entry's layer, if it has one.
    pub step: Option<StepId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make_directory(path: &str, input: Option<StepId>, stage: &str) -> Step {
        Step {
            op: Op::MakeDirectory(MakeDirectoryOp {
                path: path.to_owned(),
                user: String::new(),
            }),
            inputs: vec![input],
            label: StepLabel {
                stage: stage.to_owned(),
                ..StepLabel::default()
            },
        }
    }

    #[test]
    fn steps_of_two_platforms_are_one_when_they_do_the_same() {
        let mut graph = Graph::default();
        let amd64: Platform = "linux/amd64".parse().unwrap();
        let arm64: Platform = "linux/arm64".parse().unwrap();
        let first = graph.add(make_directory("/a", None, "one"), &amd64);
        let second = graph.add(make_directory("/a", None, "another name"), &arm64);
        assert_eq!(first, second);
        assert_eq!(graph.step(first).label.platforms, [amd64.clone(), arm64]);
        assert_ne!(first, graph.add(make_directory("/a", Some(first), "one"), &amd64));
    }

    #[test]
    fn a_chain_lists_layers_lowest_first_and_looks_through_merges() {
        let mut graph = Graph::default();
        let platform: Platform = "linux/amd64".parse().unwrap();
        let base = graph.add(make_directory("/a", None, ""), &platform);
        let linked = graph.add(make_directory("/b", None, ""), &platform);
        let merge = Step {
            op: Op::Merge(MergeOp {}),
            inputs: vec![Some(base), Some(linked)],
            label: StepLabel::default(),
        };
        let merged = graph.add(merge, &platform);
        let top = graph.add(make_directory("/c", Some(merged), ""), &platform);
        assert_eq!(graph.chain(Some(top)), [base, linked, top]);
        assert_eq!(graph.chain(None), []);
    }
}
