//! From wanted packages to all that they need.
//!
//! Rules: Debian policy, chapter 7. Groups with one alternative are settled before those with several, so that an
//! alternative that comes anyway is not doubled. Packages marked Essential do not come by themselves: a base holds
//! what was asked for. The result does not depend on the index's order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::debian::index::{Index, PackageId};
use crate::debian::relation::{Constraint, Relation, alternatives};

/// What to resolve.
pub(crate) struct Wish<'a> {
    /// `NAME`, `NAME=VERSION`, `NAME/SUITE`.
    pub(crate) packages: &'a [String],
    /// Names that are not followed.
    pub(crate) excluded: BTreeSet<&'a str>,
    /// The suites' names, by the index's numbers.
    pub(crate) suites: Vec<&'a str>,
}

/// A wish that the archive cannot fulfil.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No package has the name.
    #[error(
        "there is no package {name} in {suites} for {architecture}{}",
        suggestion(similar)
    )]
    Missing {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        suites: String,
        /// For which architecture.
        architecture: String,
        /// Names that look alike.
        similar: Vec<String>,
    },
    /// A dependency has no package that fits.
    #[error("{relation} is needed and cannot be had: {chain}")]
    Unsatisfiable {
        /// What is needed.
        relation: String,
        /// Who needs it, from a wanted package on.
        chain: String,
    },
    /// Two packages of the result exclude each other.
    #[error("{package} cannot be with {other}: it conflicts with {relation}; {chain}; {other_chain}")]
    Conflict {
        /// The package that says so.
        package: String,
        /// The other.
        other: String,
        /// What it says.
        relation: String,
        /// Why the first is there.
        chain: String,
        /// Why the other is there.
        other_chain: String,
    },
}

fn suggestion(similar: &[String]) -> String {
    if similar.is_empty() {
        String::new()
    } else {
        format!("; did you mean {}?", similar.join(" or "))
    }
}

/// Returns the wanted packages and what they need, by name.
pub(crate) fn resolve(
    index: &Index,
    wish: &Wish<'_>,
    architecture: &str,
) -> Result<Vec<PackageId>, ResolveError> {
    let mut bounds = Bounds::default();
    // A later relation may refuse a version that was chosen before. Its bound is then known from the start of the next
    // attempt, so each attempt ends further on; more than this many mean a contradiction.
    for _ in 0..ATTEMPTS_MAX {
        let mut attempt = Attempt::new(index, wish, architecture, &bounds);
        match attempt.run() {
            Ok(()) => {
                attempt.check_conflicts()?;
                let mut packages: Vec<PackageId> =
                    attempt.chosen.values().map(|choice| choice.package).collect();
                packages.sort_by_key(|id| index.name(*id));
                return Ok(packages);
            }
            Err(Interruption::Failed(error)) => return Err(error),
            Err(Interruption::Bound {
                name,
                operator_and_version,
                error,
            }) => {
                if !bounds.0.entry(name).or_default().insert(operator_and_version) {
                    return Err(*error);
                }
            }
        }
    }
    let error = ResolveError::Unsatisfiable {
        relation: "a set of versions that fit together".to_owned(),
        chain: "the relations contradict each other".to_owned(),
    };
    Err(error)
}

const ATTEMPTS_MAX: usize = 64;

/// Relations that a chosen version must fit, by package name, as text `name (op version)`.
#[derive(Default)]
struct Bounds(BTreeMap<String, BTreeSet<String>>);

enum Interruption {
    Failed(ResolveError),
    Bound {
        name: String,
        operator_and_version: String,
        error: Box<ResolveError>,
    },
}

impl From<ResolveError> for Interruption {
    fn from(error: ResolveError) -> Self {
        Self::Failed(error)
    }
}

#[derive(Clone, Copy)]
struct Choice {
    package: PackageId,
    /// Who asked first; none for a wanted package.
    parent: Option<PackageId>,
}

struct Attempt<'a> {
    index: &'a Index,
    wish: &'a Wish<'a>,
    architecture: &'a str,
    bounds: &'a Bounds,
    chosen: BTreeMap<&'a str, Choice>,
    single: VecDeque<(PackageId, Vec<Relation<'a>>)>,
    several: VecDeque<(PackageId, Vec<Relation<'a>>)>,
}

impl<'a> Attempt<'a> {
    fn new(index: &'a Index, wish: &'a Wish<'a>, architecture: &'a str, bounds: &'a Bounds) -> Self {
        let chosen = BTreeMap::new();
        Self {
            index,
            wish,
            architecture,
            bounds,
            chosen,
            single: VecDeque::new(),
            several: VecDeque::new(),
        }
    }

    fn run(&mut self) -> Result<(), Interruption> {
        for wanted in self.wish.packages {
            let package = self.wanted(wanted)?;
            self.choose(package, None);
        }
        loop {
            let next = self.single.pop_front().or_else(|| self.several.pop_front());
            let Some((parent, group)) = next else {
                return Ok(());
            };
            if self.is_met(&group) || self.is_left_out(&group) {
                continue;
            }
            let package = self.candidate(parent, &group)?;
            self.choose(package, Some(parent));
        }
    }

    fn choose(&mut self, package: PackageId, parent: Option<PackageId>) {
        let name = self.index.name(package);
        if self.chosen.contains_key(name) {
            return;
        }
        self.chosen.insert(name, Choice { package, parent });
        for group in self.index.needs(package) {
            let queue = if group.len() == 1 {
                &mut self.single
            } else {
                &mut self.several
            };
            queue.push_back((package, group));
        }
    }

    /// The package that an entry of the wish means.
    fn wanted(&self, wanted: &str) -> Result<PackageId, ResolveError> {
        let (rest, suite) = match wanted.split_once('/') {
            Some((rest, suite)) => (rest, Some(suite)),
            None => (wanted, None),
        };
        let (name, version) = match rest.split_once('=') {
            Some((name, version)) => (name, Some(version)),
            None => (rest, None),
        };
        let fits = |id: &PackageId| {
            version.is_none_or(|version| self.index.version(*id) == version)
                && suite.is_none_or(|suite| self.suite_name(*id) == suite)
                && self.is_within_bounds(*id)
        };
        let named = self.index.named(name);
        if let Some(package) = named.iter().copied().find(fits) {
            return Ok(package);
        }
        let provider = self.index.providing(name).find(|id| fits(id));
        match provider {
            Some(package) if named.is_empty() => Ok(package),
            _ => Err(self.missing(wanted, name)),
        }
    }

    fn missing(&self, wanted: &str, name: &str) -> ResolveError {
        let mut similar: Vec<String> = self
            .index
            .named(name)
            .iter()
            .map(|id| format!("{name}={} in {}", self.index.version(*id), self.suite_name(*id)))
            .collect();
        if similar.is_empty() {
            similar = similar_names(name, self.index.names());
        }
        ResolveError::Missing {
            name: wanted.to_owned(),
            suites: self.wish.suites.join(", "),
            architecture: self.architecture.to_owned(),
            similar,
        }
    }

    fn suite_name(&self, id: PackageId) -> &'a str {
        self.wish
            .suites
            .get(usize::from(self.index.suite(id)))
            .copied()
            .unwrap_or_default()
    }

    fn is_met(&self, group: &[Relation<'a>]) -> bool {
        group.iter().any(|relation| {
            self.chosen
                .values()
                .any(|choice| self.index.satisfies(choice.package, relation))
        })
    }

    /// A group that an excluded package would satisfy counts as settled.
    fn is_left_out(&self, group: &[Relation<'a>]) -> bool {
        group
            .iter()
            .any(|relation| self.wish.excluded.contains(relation.name))
    }

    /// The package to choose for a group: the first alternative's own package, else its providers in their order.
    fn candidate(&self, parent: PackageId, group: &[Relation<'a>]) -> Result<PackageId, Interruption> {
        let mut refused = None;
        for relation in group {
            let named = self.index.named(relation.name).iter().copied();
            let provided = self.index.providing(relation.name);
            for id in named.chain(provided) {
                if !self.index.satisfies(id, relation) || self.wish.excluded.contains(self.index.name(id)) {
                    continue;
                }
                match self.chosen.get(self.index.name(id)) {
                    None if self.is_within_bounds(id) => return Ok(id),
                    // Another version of it is chosen already.
                    Some(_) if self.index.name(id) == relation.name => refused = Some(*relation),
                    _ => {}
                }
            }
        }
        let error = self.unsatisfiable(parent, group);
        match refused {
            Some(relation) => Err(Interruption::Bound {
                name: relation.name.to_owned(),
                operator_and_version: relation.to_string(),
                error: Box::new(error),
            }),
            None => Err(error.into()),
        }
    }

    fn is_within_bounds(&self, id: PackageId) -> bool {
        let Some(bounds) = self.bounds.0.get(self.index.name(id)) else {
            return true;
        };
        bounds
            .iter()
            .flat_map(|bound| alternatives(bound))
            .all(|relation| {
                relation
                    .constraint
                    .is_none_or(|constraint: Constraint<'_>| constraint.accepts(self.index.version(id)))
            })
    }

    fn unsatisfiable(&self, parent: PackageId, group: &[Relation<'a>]) -> ResolveError {
        let relation = group
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" or ");
        let mut chain = self.chain(parent);
        for relation in group {
            for id in self.index.named(relation.name) {
                let version = self.index.version(*id);
                chain += &["; ", relation.name, " ", version, " is in ", self.suite_name(*id)].concat();
            }
        }
        ResolveError::Unsatisfiable { relation, chain }
    }

    /// `wanted → a → b 1.0`, from the wanted package to this one.
    fn chain(&self, package: PackageId) -> String {
        let mut names = vec![format!(
            "{} {}",
            self.index.name(package),
            self.index.version(package)
        )];
        let mut current = package;
        while let Some(parent) = self
            .chosen
            .get(self.index.name(current))
            .and_then(|choice| choice.parent)
        {
            names.push(self.index.name(parent).to_owned());
            current = parent;
        }
        names.reverse();
        names.join(" → ")
    }

    fn check_conflicts(&self) -> Result<(), ResolveError> {
        for choice in self.chosen.values() {
            for relation in self.index.rejects(choice.package) {
                let other = self.chosen.values().find(|other| {
                    other.package != choice.package && self.index.satisfies(other.package, &relation)
                });
                if let Some(other) = other {
                    return Err(ResolveError::Conflict {
                        package: self.index.name(choice.package).to_owned(),
                        other: self.index.name(other.package).to_owned(),
                        relation: relation.to_string(),
                        chain: self.chain(choice.package),
                        other_chain: self.chain(other.package),
                    });
                }
            }
        }
        Ok(())
    }
}

/// Returns up to three names that differ from `name` in few letters, or contain it.
pub(crate) fn similar_names<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let allowed = (name.len() / 4).clamp(1, 3);
    let mut near: Vec<(usize, &str)> = names
        .filter(|other| other.len().abs_diff(name.len()) <= allowed || other.starts_with(name))
        .filter_map(|other| {
            let distance = edit_distance(name, other);
            let prefixed = other
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(|c: char| !c.is_alphabetic()));
            (distance <= allowed || prefixed).then_some((distance, other))
        })
        .collect();
    near.sort_unstable();
    near.into_iter()
        .take(3)
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// Insertions, deletions and replacements from one text to the other.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, byte) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(byte != other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
