//! How stages hang together: which starts from which, which copies from which, and on which platform each runs.

use std::collections::BTreeMap;

use super::{BUILD_ARGUMENTS, TARGET_ARGUMENTS};
use crate::instruction::{Dockerfile, Instruction, MountFlag, Origin, Source, Stage};
use crate::syntax::Word;

/// The stages of a Dockerfile, each by its number.
pub(super) struct Family<'a> {
    dockerfile: &'a Dockerfile,
    /// What each starts from, with the defaults of the arguments before the first stage.
    images: Vec<String>,
    /// The stage that each starts from.
    parents: Vec<Option<usize>>,
    /// What other stages get from each.
    gifts: Vec<Vec<Gift<'a>>>,
}

/// What a stage gives to another one.
#[derive(Clone, Copy)]
pub(super) enum Gift<'a> {
    /// A path, as it was written.
    Path(&'a str),
    /// Something that is not told by the text.
    Unknown,
}

impl<'a> Family<'a> {
    pub(super) fn new(dockerfile: &'a Dockerfile) -> Self {
        let mut family = Self {
            dockerfile,
            images: Vec::new(),
            parents: Vec::new(),
            gifts: Vec::new(),
        };
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        for stage in &dockerfile.stages {
            let image = image(dockerfile, stage);
            let named = |name: &str| {
                let by_number = || name.parse::<usize>().ok().filter(|index| *index < stage.index);
                let by_name = names.get(name.to_lowercase().as_str()).copied();
                by_name.or_else(by_number)
            };
            family.parents.push(named(&image));
            family.images.push(image);
            family.gifts.push(Vec::new());
            for (from, gift) in taken(stage) {
                if let Some(giver) = named(from.trim_matches(['"', '\''])) {
                    family.gifts[giver].push(gift);
                }
            }
            names.extend(stage.name.as_deref().map(|name| (name, stage.index)));
        }
        family
    }

    /// Returns the stage that a stage starts from.
    pub(super) fn parent(&self, stage: &Stage) -> Option<&'a Stage> {
        self.parents[stage.index].map(|index| &self.dockerfile.stages[index])
    }

    /// Returns a stage and those that it starts from, the first one first.
    pub(super) fn line(&self, stage: &'a Stage) -> Vec<&'a Stage> {
        let mut line = vec![stage];
        while let Some(parent) = line.last().and_then(|stage| self.parent(stage)) {
            line.push(parent);
        }
        line.reverse();
        line
    }

    /// Returns a stage and all that start from it, directly or not.
    pub(super) fn with_descendants(&self, stage: &Stage) -> Vec<&'a Stage> {
        let mut descends = vec![false; self.dockerfile.stages.len()];
        descends[stage.index] = true;
        for index in stage.index + 1..descends.len() {
            descends[index] = self.parents[index].is_some_and(|parent| descends[parent]);
        }
        let stages = self.dockerfile.stages.iter();
        stages.filter(|stage| descends[stage.index]).collect()
    }

    /// Returns what other stages get from a stage.
    pub(super) fn gifts(&self, stage: &Stage) -> &[Gift<'a>] {
        &self.gifts[stage.index]
    }

    /// Returns whether a stage runs on the target's platform. A name that has no default may be that of any stage.
    pub(super) fn runs_on_target(&self, stage: &'a Stage) -> bool {
        let first = self.line(stage)[0];
        let platform = first.from.platform.as_ref();
        platform.is_none_or(|platform| is_variable(platform, "TARGETPLATFORM"))
            && !self.images[first.index].contains('$')
    }

    /// Returns whether a stage runs on the build platform.
    pub(super) fn is_native(&self, stage: &'a Stage) -> bool {
        let first = self.line(stage)[0];
        let platform = first.from.platform.as_ref();
        platform.is_some_and(|platform| platform.as_str().contains("BUILDPLATFORM"))
    }

    /// Returns the instructions that hold where another one of a stage stands, those of the stages before it included.
    pub(super) fn before<'b>(
        &self,
        stage: &'a Stage,
        at: &'b Origin,
    ) -> impl Iterator<Item = &'a Instruction> + use<'a, 'b> {
        let instructions = self.line(stage).into_iter().flat_map(|stage| &stage.instructions);
        instructions.take_while(|instruction| instruction.origin().span.start < at.span.start)
    }
}

/// Returns what a stage starts from, with the defaults of the arguments before the first stage.
fn image(dockerfile: &Dockerfile, stage: &Stage) -> String {
    let mut image = stage.from.image.text.clone();
    let arguments = dockerfile.global_args.iter();
    for definition in arguments.flat_map(|arg| &arg.definitions) {
        if let Some(value) = definition.value.as_ref().filter(|_| image.contains('$')) {
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

/// Returns what a stage takes, each with the name that it takes it from.
fn taken(stage: &Stage) -> Vec<(&str, Gift<'_>)> {
    let mut taken = Vec::new();
    for instruction in &stage.instructions {
        match instruction {
            Instruction::Copy(copy) => {
                let Some(from) = &copy.from else { continue };
                taken.extend(copy.sources.iter().map(|source| match source {
                    Source::Path(path) => (from.as_str(), Gift::Path(path.as_str())),
                    Source::Inline(_) => (from.as_str(), Gift::Unknown),
                }));
            }
            Instruction::Run(run) => {
                let mounts = run.mounts.iter().filter_map(MountFlag::from);
                taken.extend(mounts.map(|from| (from, Gift::Unknown)));
            }
            _ => {}
        }
    }
    taken
}

/// Returns whether a word is nothing but a variable.
fn is_variable(word: &Word, name: &str) -> bool {
    let text = word.as_str().trim_matches(['"', '\'']);
    text == format!("${name}") || text == format!("${{{name}}}")
}

/// Returns whether a name is one of those that the builder gives a value.
pub(super) fn is_platform_argument(name: &str) -> bool {
    TARGET_ARGUMENTS.contains(&name) || BUILD_ARGUMENTS.contains(&name)
}
