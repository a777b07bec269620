//! Stages that copy from each other in a circle.

use std::collections::BTreeSet;
use std::ops::Range;

use super::rules;
use super::source::From;
use super::stage::StageLowering;
use super::state::stage_name;
use crate::instruction::{Instruction, Stage};

/// A stage that is copied from, and where that is said.
struct Link {
    stage: usize,
    span: Range<usize>,
}

impl StageLowering<'_> {
    /// Reports the first stage that comes into a circle by `COPY --from` and `RUN --mount=from=`.
    ///
    /// Stages whose sources are all free of circles are taken away until none is left to take.
    pub(super) fn find_circle(&mut self) {
        let dockerfile = self.dockerfile;
        let links: Vec<Vec<Link>> = dockerfile.stages.iter().map(|stage| self.links(stage)).collect();
        // Only a link to the stage itself or a later one can close a circle.
        let forward = |(index, links): (usize, &Vec<Link>)| links.iter().any(|link| link.stage >= index);
        if !links.iter().enumerate().any(forward) {
            return;
        }
        let mut users = vec![Vec::new(); links.len()];
        let mut open: Vec<usize> = links.iter().map(Vec::len).collect();
        for (index, links) in links.iter().enumerate() {
            for link in links {
                users[link.stage].push(index);
            }
        }
        let mut left: BTreeSet<usize> = (0..links.len()).collect();
        let mut free: Vec<usize> = left.iter().copied().filter(|index| open[*index] == 0).collect();
        while let Some(index) = free.pop() {
            left.remove(&index);
            for user in &users[index] {
                open[*user] -= 1;
                if open[*user] == 0 {
                    free.push(*user);
                }
            }
        }
        if let Some(first) = left.first() {
            let name = stage_name(&dockerfile.stages[*first]);
            let message = format!("circular dependency detected on stage: {name}");
            let link = links[*first].iter().find(|link| left.contains(&link.stage));
            let span = link.map_or(0..0, |link| link.span.clone());
            self.error(rules::CIRCULAR_STAGES, message, &span, None);
        }
        self.circular = left;
    }

    /// The stages that the lines of a stage name.
    fn links(&self, stage: &Stage) -> Vec<Link> {
        let mut links = Vec::new();
        let mut add = |from, span: &Range<usize>| {
            if let Ok(Some(stage)) = self.source_stage(from) {
                let span = span.clone();
                links.push(Link { stage, span });
            }
        };
        for instruction in &stage.instructions {
            match instruction {
                Instruction::Copy(copy) => {
                    if let Some(from) = &copy.from {
                        add(From::Copy(&from.text), &from.span);
                    }
                }
                Instruction::Run(run) => {
                    for mount in &run.mounts {
                        if let Some(name) = mount.from() {
                            add(From::Mount { name, target: "" }, &mount.text.span);
                        }
                    }
                }
                _ => {}
            }
        }
        links
    }
}
