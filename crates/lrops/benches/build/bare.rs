//! The commands of a Dockerfile's tools by themselves: the limit of what any builder can reach.
//!
//! The steps are those that lrops' own reading of the Dockerfile gives. Each chain of them has a directory that begins as
//! the image's files, hard links to them, and stays from build to build. In it files are copied and commands run with
//! that directory as their root, as root, and as many at a time as lrops runs; only what an edited file changes is done
//! again. No image is made of the results, and none is unpacked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use lrops_model::digest::Digest;
use lrops_model::graph::{ContextOp, CopyOp, CopySource, Graph, Op, RunMountKind, RunOp, Step, StepId};
use lrops_model::platform::Platform;

use crate::chroot::Chroot;
use crate::example::Example;
use crate::images::Images;
use crate::meter::{Figures, Meter};

/// Directories that begin as an image and in which steps are done, from build to build.
pub(crate) struct Bare {
    directory: PathBuf,
    /// What was done in each, by the last step of its chain.
    trees: BTreeMap<StepId, Tree>,
}

/// One chain of steps.
#[derive(Default)]
struct Tree {
    root: PathBuf,
    /// The steps that were done, each with a digest of all that could change it.
    done: BTreeMap<StepId, Digest>,
    /// What each step copied.
    copied: BTreeMap<StepId, Vec<PathBuf>>,
}

impl Bare {
    /// Returns a machine on which nothing was done yet.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            trees: BTreeMap::new(),
        }
    }

    /// Does what has to be done for the programs of these platforms.
    pub(crate) fn build(&mut self, example: &Example, images: &Images, platforms: &[Platform]) -> Figures {
        let graph = example.graph(platforms, &images.arguments, |image| images.resolve(image));
        let chains = chains(&graph);
        for chain in &chains {
            let leaf = *chain.last().expect("a chain has steps");
            self.trees
                .entry(leaf)
                .or_insert_with(|| plant(&self.directory, &graph, chain, images));
        }
        let roots = chains.iter().flat_map(|chain| {
            let root = &self.trees[&chain[chain.len() - 1]].root;
            chain.iter().map(move |step| (*step, root.clone()))
        });
        let site = Site {
            graph: &graph,
            context: &example.directory,
            caches: self.directory.join("caches"),
            roots: roots.collect(),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        let meter = Meter::start(None);
        std::thread::scope(|scope| {
            for (leaf, tree) in &mut self.trees {
                let Some(chain) = chains.iter().find(|chain| chain.last() == Some(leaf)) else {
                    continue;
                };
                let site = &site;
                scope.spawn(move || site.work(chain, tree));
            }
        });
        meter.stop()
    }
}

/// Makes the directory of a chain.
fn plant(directory: &Path, graph: &Graph, chain: &[StepId], images: &Images) -> Tree {
    let root = directory.join(chain[chain.len() - 1].0.hex());
    let Op::Image(image) = &graph.step(chain[0]).op else {
        panic!("a stage with commands starts from an image");
    };
    let planted = Command::new("cp")
        .arg("-al")
        .arg(images.root(&image.name))
        .arg(&root)
        .status();
    assert!(
        planted.expect("cp starts").success(),
        "{} cannot be planted",
        image.name
    );
    Tree {
        root,
        ..Tree::default()
    }
}

/// Returns the chains of steps that commands on this machine's platform need, each from its image on.
fn chains(graph: &Graph) -> Vec<Vec<StepId>> {
    let runs_here =
        |id: &&StepId| matches!(&graph.step(**id).op, Op::Run(run) if run.platform == Platform::host());
    let mut needed: BTreeSet<StepId> = graph.order.iter().filter(runs_here).copied().collect();
    // Inputs stand before what uses them.
    for id in graph.order.iter().rev() {
        if needed.contains(id) {
            needed.extend(graph.step(*id).inputs.iter().flatten());
        }
    }
    let below: BTreeSet<StepId> = needed.iter().filter_map(|id| parent(graph.step(*id))).collect();
    let is_leaf = |id: &&StepId| {
        let is_context = matches!(graph.step(**id).op, Op::Context(_));
        needed.contains(id) && !below.contains(id) && !is_context
    };
    let chains: Vec<Vec<StepId>> = graph
        .order
        .iter()
        .filter(is_leaf)
        .map(|leaf| graph.chain(Some(*leaf)))
        .collect();
    let mut commands = BTreeSet::new();
    for id in chains.iter().flatten() {
        let step = graph.step(*id);
        let again = matches!(step.op, Op::Run(_)) && !commands.insert(*id);
        assert!(
            !again,
            "{} serves several platforms, before their own steps: not done bare yet",
            step.label.instruction
        );
    }
    chains
}

fn parent(step: &Step) -> Option<StepId> {
    match &step.op {
        Op::Run(_) | Op::MakeDirectory(_) => step.inputs[0],
        Op::Copy(copy) if !copy.link => step.inputs[0],
        Op::Copy(_) | Op::Merge(_) => panic!("{}: --link is not done bare yet", step.label.instruction),
        Op::Image(_) | Op::Context(_) => None,
    }
}

/// What the threads of one build share; each works on one chain.
struct Site<'a> {
    graph: &'a Graph,
    context: &'a Path,
    caches: PathBuf,
    /// The directory that a step is done in; of several any, since no command is among what they share.
    roots: BTreeMap<StepId, PathBuf>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Steps that are done, with a digest of all that could change them.
    done: BTreeMap<StepId, Digest>,
    /// How many commands run.
    running: usize,
    /// Whether a thread has failed: the others stop, too.
    failed: bool,
}

impl Site<'_> {
    fn work(&self, chain: &[StepId], tree: &mut Tree) {
        let failing = Failing(self);
        let mut below = Digest::of("");
        for id in chain {
            let step = self.graph.step(*id);
            let key = self.key(step, below);
            if tree.done.get(id) != Some(&key) {
                self.act(*id, step, tree);
                tree.done.insert(*id, key);
            }
            self.state().done.insert(*id, key);
            self.changed.notify_all();
            below = key;
        }
        std::mem::forget(failing);
    }

    /// Returns a digest of all that could change a step, after its other inputs are done.
    fn key(&self, step: &Step, below: Digest) -> Digest {
        let mut text = format!("{} {below}", step.id());
        if let Op::Copy(copy) = &step.op {
            for (source, _) in self.sources(step, copy) {
                contents(&source, &mut text);
            }
        }
        Digest::of(text)
    }

    fn act(&self, id: StepId, step: &Step, tree: &mut Tree) {
        let chroot = Chroot::new(&tree.root);
        match &step.op {
            Op::MakeDirectory(made) => {
                fs::create_dir_all(chroot.path(&made.path)).expect("a directory can be made");
            }
            Op::Copy(copy) => {
                for old in tree.copied.remove(&id).into_iter().flatten() {
                    let _ = fs::remove_file(old);
                }
                let mut written = Vec::new();
                for (source, name) in self.sources(step, copy) {
                    let mut target = chroot.path(&copy.destination);
                    if source.is_file() && (copy.destination.ends_with('/') || target.is_dir()) {
                        target.push(name);
                    }
                    copy_all(&source, &target, &mut written);
                }
                tree.copied.insert(id, written);
            }
            Op::Run(run) => self.run(step, run, chroot),
            Op::Image(_) | Op::Context(_) | Op::Merge(_) => {}
        }
    }

    /// Returns what is copied, each with its name, after whatever makes it is done.
    fn sources(&self, step: &Step, copy: &CopyOp) -> Vec<(PathBuf, String)> {
        let sources = copy.sources.iter().map(|source| {
            let CopySource::Path { input, pattern } = source else {
                panic!(
                    "{}: files in the Dockerfile are not copied bare yet",
                    step.label.instruction
                );
            };
            assert!(
                !pattern.contains(['*', '?', '[']),
                "{pattern}: patterns are not copied bare yet"
            );
            let from = step.inputs[*input].expect("a source is a context or a stage");
            let root = match &self.graph.step(from).op {
                Op::Context(context) if context.name == ContextOp::MAIN => self.context,
                Op::Context(context) => panic!("the context {} is not copied bare yet", context.name),
                _ => self.wait_for(from),
            };
            let path = root.join(pattern.trim_start_matches('/'));
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            (path, name)
        });
        sources.collect()
    }

    fn wait_for(&self, id: StepId) -> &Path {
        let mut state = self.state();
        while !state.done.contains_key(&id) {
            assert!(!state.failed, "another command failed");
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        &self.roots[&id]
    }

    fn run(&self, step: &Step, run: &RunOp, mut chroot: Chroot) {
        for mount in &run.mounts {
            match &mount.kind {
                RunMountKind::Cache { id, .. } => {
                    let name = Digest::of(id).hex();
                    chroot.mount(&self.caches.join(name), &mount.target);
                }
                RunMountKind::Secret { required: false, .. } => {}
                other => panic!("{}: {other:?} is not done bare yet", step.label.instruction),
            }
        }
        let (log, path) = tempfile::NamedTempFile::new().expect("a log").into_parts();
        let output = |log: &File| Stdio::from(log.try_clone().expect("the log can be shared"));
        let mut command = chroot.command(&run.working_directory, &run.arguments);
        command
            .env_clear()
            .env("HOME", "/root")
            .envs(run.environment.iter().cloned());
        command
            .stdin(Stdio::null())
            .stdout(output(&log))
            .stderr(output(&log));
        self.begin();
        let status = command.status().expect("unshare starts");
        self.state().running -= 1;
        self.changed.notify_all();
        let said = fs::read_to_string(&path).unwrap_or_default();
        assert!(status.success(), "{}: {said}", step.label.instruction);
    }

    /// Waits until one more command may run.
    fn begin(&self) {
        let most = std::thread::available_parallelism().map_or(1, usize::from);
        let mut state = self.state();
        while state.running >= most {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.running += 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the other threads when this one panics.
struct Failing<'a>(&'a Site<'a>);

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        self.0.state().failed = true;
        self.0.changed.notify_all();
    }
}

/// Adds names and contents of a file or of all below a directory.
fn contents(path: &Path, text: &mut String) {
    let metadata = fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.push_str(&path.file_name().unwrap_or_default().to_string_lossy());
    if metadata.is_dir() {
        for entry in entries(path) {
            contents(&entry, text);
        }
    } else {
        let bytes = fs::read(path).unwrap_or_default();
        text.push_str(&Digest::of(bytes).to_string());
    }
}

/// Copies a file, or all below a directory, in the place of what is there.
fn copy_all(source: &Path, target: &Path, written: &mut Vec<PathBuf>) {
    if source.is_dir() {
        fs::create_dir_all(target).expect("a directory can be made");
        for entry in entries(source) {
            copy_all(
                &entry,
                &target.join(entry.file_name().unwrap_or_default()),
                written,
            );
        }
        return;
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).expect("a directory can be made");
    }
    // It may be a link to a file of the image.
    let _ = fs::remove_file(target);
    fs::copy(source, target).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    written.push(target.to_owned());
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries
}
