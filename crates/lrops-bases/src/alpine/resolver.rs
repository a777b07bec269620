//! From wanted packages to all that they need, by apk's rules.
//!
//! A dependency is met by a package's name or by what it provides. A provision without a version does not choose its
//! package, unless that has a priority: somebody else must. What several unchosen packages provide so is an error
//! that names them. `install_if` adds a package when all that it names is there. The result does not depend on the
//! index's order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::dependency::Dependency;
use super::index::{Index, Package};
use crate::resolver::{ResolveError, similar_names};

/// What to resolve.
pub(crate) struct Wish<'a> {
    /// `NAME`, with a constraint or not.
    pub(crate) packages: &'a [String],
    /// Names that are not followed.
    pub(crate) excluded: &'a [String],
    pub(crate) suites: &'a str,
    pub(crate) architecture: &'a str,
}

/// Returns the wanted packages and what they need, by name.
pub(crate) fn resolve<'a>(index: &'a Index, wish: &Wish<'a>) -> Result<Vec<&'a Package>, ResolveError> {
    // As in Debian's: a later dependency may refuse a version that was chosen before, and is known from the start of
    // the next attempt.
    let mut bounds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for _ in 0..ATTEMPTS_MAX {
        let mut attempt = Attempt {
            index,
            wish,
            bounds: &bounds,
            chosen: BTreeMap::new(),
            open: VecDeque::new(),
        };
        match attempt.run() {
            Ok(()) => {
                attempt.check_conflicts()?;
                return Ok(attempt.chosen.values().map(|choice| choice.package).collect());
            }
            Err(Interruption::Failed(error)) => return Err(error),
            Err(Interruption::Bound { name, bound, error }) => {
                if !bounds.entry(name).or_default().insert(bound) {
                    return Err(*error);
                }
            }
        }
    }
    Err(ResolveError::Unsatisfiable {
        relation: "a set of versions that fit together".to_owned(),
        chain: "the dependencies contradict each other".to_owned(),
    })
}

const ATTEMPTS_MAX: usize = 64;

enum Interruption {
    Failed(ResolveError),
    Bound {
        name: String,
        bound: String,
        error: Box<ResolveError>,
    },
}

impl From<ResolveError> for Interruption {
    fn from(error: ResolveError) -> Self {
        Self::Failed(error)
    }
}

#[derive(Clone, Copy)]
struct Choice<'a> {
    package: &'a Package,
    /// Who asked first; none for a wanted package.
    parent: Option<&'a Package>,
}

struct Attempt<'a, 'b> {
    index: &'a Index,
    wish: &'b Wish<'a>,
    bounds: &'b BTreeMap<String, BTreeSet<String>>,
    chosen: BTreeMap<&'a str, Choice<'a>>,
    open: VecDeque<(Option<&'a Package>, Dependency<'a>)>,
}

impl<'a> Attempt<'a, '_> {
    fn run(&mut self) -> Result<(), Interruption> {
        let wanted = self.wish.packages.iter();
        self.open
            .extend(wanted.map(|text| (None, Dependency::parse(text))));
        loop {
            self.settle()?;
            let Some(package) = self.installed_if() else {
                return Ok(());
            };
            self.choose(package, None);
        }
    }

    fn settle(&mut self) -> Result<(), Interruption> {
        // Dependencies that choose nobody by themselves wait until nothing else is left.
        let mut waiting = VecDeque::new();
        while let Some((parent, dependency)) = self.open.pop_front() {
            if self.is_met(&dependency) || self.wish.excluded.iter().any(|name| name == dependency.name) {
                continue;
            }
            match self.candidate(parent, &dependency)? {
                Some(package) => self.choose(package, parent),
                None => waiting.push_back((parent, dependency)),
            }
        }
        match waiting
            .into_iter()
            .find(|(_, dependency)| !self.is_met(dependency))
        {
            Some((parent, dependency)) => Err(self.unsatisfiable(parent, &dependency).into()),
            None => Ok(()),
        }
    }

    fn choose(&mut self, package: &'a Package, parent: Option<&'a Package>) {
        self.chosen.insert(&package.name, Choice { package, parent });
        let needs = Dependency::all(&package.depends).filter(|dependency| !dependency.excludes);
        self.open
            .extend(needs.map(|dependency| (Some(package), dependency)));
    }

    fn is_met(&self, dependency: &Dependency<'_>) -> bool {
        self.chosen
            .values()
            .any(|choice| choice.package.satisfies(dependency))
    }

    /// The package to choose for a dependency; none when packages provide it that choose nobody by themselves.
    fn candidate(
        &self,
        parent: Option<&'a Package>,
        dependency: &Dependency<'a>,
    ) -> Result<Option<&'a Package>, Interruption> {
        let (mut refused, mut waits) = (false, false);
        for id in self.index.providing(dependency.name) {
            let package = &self.index.packages[id];
            if let Some(choice) = self.chosen.get(package.name.as_str()) {
                refused |= choice.package.version != package.version && package.satisfies(dependency);
                continue;
            }
            if !package.satisfies(dependency) || !self.is_allowed(package) {
                continue;
            }
            let versioned = package.provision(dependency.name).flatten().is_some();
            if versioned || package.provider_priority.is_some() {
                return Ok(Some(package));
            }
            waits = true;
        }
        let error = || self.unsatisfiable(parent, dependency);
        if refused {
            return Err(Interruption::Bound {
                name: dependency.name.to_owned(),
                bound: dependency.to_string(),
                error: Box::new(error()),
            });
        }
        if waits { Ok(None) } else { Err(error().into()) }
    }

    fn is_allowed(&self, package: &Package) -> bool {
        let within = self.bounds.iter().all(|(name, bounds)| {
            package.provision(name).is_none_or(|version| {
                bounds
                    .iter()
                    .all(|bound| Dependency::parse(bound).accepts(version))
            })
        });
        within && !self.wish.excluded.contains(&package.name)
    }

    /// A package that comes along because of what is there.
    fn installed_if(&self) -> Option<&'a Package> {
        self.index.packages.iter().find(|package| {
            !package.install_if.is_empty()
                && !self.chosen.contains_key(package.name.as_str())
                && self.is_allowed(package)
                && Dependency::all(&package.install_if).all(|needed| self.is_met(&needed) != needed.excludes)
                && self.is_best(package)
        })
    }

    fn is_best(&self, package: &Package) -> bool {
        let best = self.index.providing(&package.name).into_iter();
        best.map(|id| &self.index.packages[id])
            .find(|other| other.name == package.name && self.is_allowed(other))
            .is_some_and(|other| other.version == package.version)
    }

    fn unsatisfiable(&self, parent: Option<&'a Package>, dependency: &Dependency<'a>) -> ResolveError {
        let providers = self.index.providing(dependency.name);
        let Some(parent) = parent.filter(|_| true) else {
            if providers.is_empty() {
                return ResolveError::Missing {
                    name: dependency.to_string(),
                    suites: self.wish.suites.to_owned(),
                    architecture: self.wish.architecture.to_owned(),
                    similar: similar_names(dependency.name, self.index.names()),
                };
            }
            return ResolveError::Unsatisfiable {
                relation: dependency.to_string(),
                chain: format!("it is in packages{}", self.offers(dependency)),
            };
        };
        ResolveError::Unsatisfiable {
            relation: dependency.to_string(),
            chain: self.chain(parent) + &self.offers(dependency),
        }
    }

    /// What there is instead, for people.
    fn offers(&self, dependency: &Dependency<'_>) -> String {
        let providers = self.index.providing(dependency.name).into_iter();
        let packages: Vec<&Package> = providers.map(|id| &self.index.packages[id]).collect();
        let named = |package: &Package| format!("{} {}", package.name, package.version);
        let fitting: Vec<String> = packages
            .iter()
            .filter(|package| package.satisfies(dependency))
            .map(|package| named(package))
            .collect();
        if !fitting.is_empty() {
            return format!("; name one of these in packages: {}", fitting.join(", "));
        }
        packages.iter().fold(String::new(), |text, package| {
            text + "; there is " + &named(package)
        })
    }

    /// `wanted → a → b 1.0`, from the wanted package to this one.
    fn chain(&self, package: &Package) -> String {
        let mut names = vec![format!("{} {}", package.name, package.version)];
        let mut current = package;
        while let Some(parent) = self
            .chosen
            .get(current.name.as_str())
            .and_then(|choice| choice.parent)
        {
            names.push(parent.name.clone());
            current = parent;
        }
        names.reverse();
        names.join(" → ")
    }

    /// `!name` excludes others; and only one package may give a name a version.
    fn check_conflicts(&self) -> Result<(), ResolveError> {
        let mut owners: BTreeMap<&str, &Package> = BTreeMap::new();
        let conflict = |package: &Package, other: &Package, relation: String| ResolveError::Conflict {
            package: package.name.clone(),
            other: other.name.clone(),
            relation,
            chain: self.chain(package),
            other_chain: self.chain(other),
        };
        for Choice { package, .. } in self.chosen.values() {
            let versioned = Dependency::all(&package.provides)
                .filter(|provided| provided.constraint.is_some())
                .map(|provided| provided.name);
            for name in versioned.chain([package.name.as_str()]) {
                if let Some(other) = owners.insert(name, package)
                    && other.name != package.name
                {
                    return Err(conflict(package, other, format!("{name}, which both provide")));
                }
            }
            for excluded in Dependency::all(&package.depends).filter(|dependency| dependency.excludes) {
                let met = |choice: &&Choice<'_>| {
                    choice.package.name != package.name && choice.package.satisfies(&excluded)
                };
                if let Some(other) = self.chosen.values().find(met) {
                    let relation = excluded.to_string().trim_start_matches('!').to_owned();
                    return Err(conflict(package, other.package, relation));
                }
            }
        }
        Ok(())
    }
}
