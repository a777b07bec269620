//! How stages hang together: which starts from which, which copies from which, and on which platform each runs.

use super::{BUILD_ARGUMENTS, TARGET_ARGUMENTS};
use crate::instruction::{Dockerfile, Instruction, Origin, Source, Stage};
use crate::syntax::Word;

/// The stages of a Dockerfile.
pub(super) struct Family<'a> {
    dockerfile: &'a Dockerfile,
}

/// What a stage gives to another one.
pub(super) enum Gift<'a> {
    /// A path, as it was written.
    Path(&'a str),
    /// Something that is not told by the text.
    Unknown,
}

impl<'a> Family<'a> {
    pub(super) fn new(dockerfile: &'a Dockerfile) -> Self {
        Self { dockerfile }
    }

    /// Returns the stage that a stage starts from.
    pub(super) fn parent(&self, stage: &Stage) -> Option<&'a Stage> {
        self.named(&self.image(stage), stage.index)
    }

    /// Returns a stage by its name or number, among the first ones.
    fn named(&self, wanted: &str, before: usize) -> Option<&'a Stage> {
        let earlier = &self.dockerfile.stages[..before];
        let by_name = earlier
            .iter()
            .rev()
            .find(|other| other.name.as_deref() == Some(wanted.to_lowercase().as_str()));
        by_name.or_else(|| earlier.get(wanted.parse::<usize>().ok()?))
    }

    /// Returns what a stage starts from, with the defaults of the arguments before the first stage.
    fn image(&self, stage: &Stage) -> String {
        let mut image = stage.from.image.text.clone();
        let arguments = self.dockerfile.global_args.iter();
        for definition in arguments.flat_map(|arg| &arg.definitions) {
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
    pub(super) fn with_descendants(&self, stage: &'a Stage) -> Vec<&'a Stage> {
        let stages = self.dockerfile.stages.iter();
        let descends = |other: &&Stage| {
            self.line(&self.dockerfile.stages[other.index])
                .iter()
                .any(|one| one.index == stage.index)
        };
        stages.filter(descends).collect()
    }

    /// Returns whether a stage is an image of its own: nothing starts from it or copies from it.
    pub(super) fn is_final(&self, stage: &'a Stage) -> bool {
        self.with_descendants(stage).len() == 1 && self.gifts(stage).is_empty()
    }

    /// Returns what other stages get from a stage.
    pub(super) fn gifts(&self, stage: &Stage) -> Vec<Gift<'a>> {
        let mut gifts = Vec::new();
        for other in &self.dockerfile.stages[stage.index + 1..] {
            for instruction in &other.instructions {
                match instruction {
                    Instruction::Copy(copy) if self.means(copy.from.as_ref(), other, stage) => {
                        gifts.extend(copy.sources.iter().map(|source| match source {
                            Source::Path(path) => Gift::Path(path.as_str()),
                            Source::Inline(_) => Gift::Unknown,
                        }));
                    }
                    Instruction::Run(run) => {
                        let mounts = run.mounts.iter().filter_map(|mount| mount.from());
                        let own = mounts.filter(|from| self.is(from, other, stage));
                        gifts.extend(own.map(|_| Gift::Unknown));
                    }
                    _ => {}
                }
            }
        }
        gifts
    }

    fn means(&self, from: Option<&Word>, reader: &Stage, stage: &Stage) -> bool {
        from.is_some_and(|from| self.is(from.as_str(), reader, stage))
    }

    fn is(&self, from: &str, reader: &Stage, stage: &Stage) -> bool {
        self.named(from.trim_matches(['"', '\'']), reader.index)
            .is_some_and(|named| named.index == stage.index)
    }

    /// Returns whether a stage runs on the target's platform. A name that has no default may be that of any stage.
    pub(super) fn runs_on_target(&self, stage: &'a Stage) -> bool {
        let first = self.line(stage)[0];
        let platform = first.from.platform.as_ref();
        platform.is_none_or(|platform| is_variable(platform, "TARGETPLATFORM"))
            && !self.image(first).contains('$')
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

/// Returns whether a word is nothing but a variable.
pub(super) fn is_variable(word: &Word, name: &str) -> bool {
    let text = word.as_str().trim_matches(['"', '\'']);
    text == format!("${name}") || text == format!("${{{name}}}")
}

/// Returns whether a name is one of those that the builder gives a value.
pub(super) fn is_platform_argument(name: &str) -> bool {
    TARGET_ARGUMENTS.contains(&name) || BUILD_ARGUMENTS.contains(&name)
}
