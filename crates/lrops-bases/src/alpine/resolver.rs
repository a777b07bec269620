//! From wanted packages to all that they need, by apk's rules.
//!
//! A dependency is met by a package's name or by what it provides. A provision without a version does not choose its
//! package, unless that has a priority or is the only one: somebody else must. What several unchosen packages provide
//! so is an error that names them. `install_if` adds a package when all that it names is there. Packages of further suites come only
//! for who asks for them by `NAME@SUITE`, and for what those packages need and the main suite lacks. The result does
//! not depend on the index's order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::dependency::Dependency;
use super::index::{Index, Package};
use crate::resolver::{ResolveError, similar_names};

/// What to resolve.
pub(crate) struct Wish<'a> {
    pub(crate) packages: Vec<Wanted<'a>>,
    /// Names that are not followed.
    pub(crate) excluded: &'a [String],
    pub(crate) suites: &'a [&'a str],
    pub(crate) architecture: &'a str,
}

/// A package that the specification names.
pub(crate) struct Wanted<'a> {
    pub(crate) dependency: Dependency<'a>,
    /// The suite that it comes from; 0 is the main one.
    pub(crate) suite: usize,
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
    /// The suite that it was asked for from, or that who asked came from.
    suite: usize,
}

/// A dependency that is not settled yet.
#[derive(Clone, Copy)]
struct Need<'a> {
    parent: Option<&'a Package>,
    suite: usize,
    dependency: Dependency<'a>,
}

/// Who meets a need.
enum Candidate<'a> {
    Package(&'a Package),
    /// Packages provide it that choose nobody by themselves.
    Waits,
    /// Only a package that is left out.
    LeftOut,
}

struct Attempt<'a, 'b> {
    index: &'a Index,
    wish: &'b Wish<'a>,
    bounds: &'b BTreeMap<String, BTreeSet<String>>,
    chosen: BTreeMap<&'a str, Choice<'a>>,
    open: VecDeque<Need<'a>>,
}

impl<'a> Attempt<'a, '_> {
    fn run(&mut self) -> Result<(), Interruption> {
        let wanted = self.wish.packages.iter();
        let wanted = wanted.filter(|wanted| !wanted.dependency.excludes);
        self.open.extend(wanted.map(|wanted| Need {
            parent: None,
            suite: wanted.suite,
            dependency: wanted.dependency,
        }));
        // Who asks for a suite by name is not to find the main suite's package chosen already.
        self.open
            .make_contiguous()
            .sort_by_key(|need| std::cmp::Reverse(need.suite));
        loop {
            self.settle()?;
            let Some(package) = self.installed_if() else {
                return Ok(());
            };
            self.choose(package, None, package.suite);
        }
    }

    fn settle(&mut self) -> Result<(), Interruption> {
        // Dependencies that choose nobody by themselves wait until nothing else is left.
        let mut waiting = VecDeque::new();
        while let Some(need) = self.open.pop_front() {
            let is_excluded = self.wish.excluded.iter().any(|name| name == need.dependency.name);
            if is_excluded || self.is_met(&need.dependency) {
                continue;
            }
            match self.candidate(need)? {
                Candidate::Package(package) => self.choose(package, need.parent, need.suite),
                Candidate::Waits => waiting.push_back(need),
                Candidate::LeftOut => {}
            }
        }
        while let Some(need) = waiting.pop_front() {
            if self.is_met(&need.dependency) {
                continue;
            }
            let Some(package) = self.only_provider(need) else {
                return Err(self.unsatisfiable(need.parent, &need.dependency).into());
            };
            self.choose(package, need.parent, need.suite);
            self.open.append(&mut waiting);
            return self.settle();
        }
        Ok(())
    }

    fn only_provider(&self, need: Need<'a>) -> Option<&'a Package> {
        let providers = self.providers(need).into_iter();
        let fitting: Vec<&Package> = providers
            .filter(|package| package.satisfies(&need.dependency) && self.is_allowed(package))
            .collect();
        let first = *fitting.first()?;
        let all_alike = fitting.iter().all(|package| package.name == first.name);
        (all_alike && !self.chosen.contains_key(first.name.as_str())).then_some(first)
    }

    fn choose(&mut self, package: &'a Package, parent: Option<&'a Package>, suite: usize) {
        let choice = Choice {
            package,
            parent,
            suite,
        };
        self.chosen.insert(&package.name, choice);
        let needs = Dependency::all(&package.depends).filter(|dependency| !dependency.excludes);
        self.open.extend(needs.map(|dependency| Need {
            parent: Some(package),
            suite,
            dependency,
        }));
    }

    fn is_met(&self, dependency: &Dependency<'_>) -> bool {
        self.chosen
            .values()
            .any(|choice| choice.package.satisfies(dependency))
    }

    fn candidate(&self, need: Need<'a>) -> Result<Candidate<'a>, Interruption> {
        let dependency = &need.dependency;
        let (mut refused, mut waits, mut left_out) = (false, false, false);
        for package in self.providers(need) {
            if let Some(choice) = self.chosen.get(package.name.as_str()) {
                refused |= choice.package.version != package.version && package.satisfies(dependency);
                continue;
            }
            if !package.satisfies(dependency) || !self.is_allowed(package) {
                continue;
            }
            if self.wish.excluded.contains(&package.name) {
                left_out = true;
                continue;
            }
            let provision = package.provision(dependency.name);
            let versioned = provision.is_some_and(|provision| provision.version.is_some());
            if versioned || package.provider_priority.is_some() {
                return Ok(Candidate::Package(package));
            }
            waits = true;
        }
        if refused {
            return Err(Interruption::Bound {
                name: dependency.name.to_owned(),
                bound: dependency.to_string(),
                error: Box::new(self.unsatisfiable(need.parent, dependency)),
            });
        }
        match (waits, left_out) {
            (true, _) => Ok(Candidate::Waits),
            (false, true) => Ok(Candidate::LeftOut),
            (false, false) => Err(self.unsatisfiable(need.parent, dependency).into()),
        }
    }

    /// The packages that may meet a need, the best first: who asks for a suite by name gets it; what that needs
    /// besides comes from the main suite where that has it.
    fn providers(&self, need: Need<'a>) -> Vec<&'a Package> {
        let mut found: Vec<&Package> = self
            .index
            .providing(need.dependency.name)
            .into_iter()
            .map(|id| &self.index.packages[id])
            .filter(|package| package.suite == 0 || package.suite == need.suite || self.is_opened(package))
            .filter(|package| need.parent.is_some() || package.suite == need.suite || self.is_opened(package))
            .collect();
        let preferred = if need.parent.is_some() { 0 } else { need.suite };
        found.sort_by_key(|package| package.suite != preferred);
        found
    }

    /// Whether a package of a further suite may stand in for the main suite's, which another need refused.
    fn is_opened(&self, package: &Package) -> bool {
        let asked = |wanted: &Wanted<'_>| wanted.suite == package.suite;
        self.bounds.contains_key(&package.name) && self.wish.packages.iter().any(asked)
    }

    fn is_allowed(&self, package: &Package) -> bool {
        let within = self.bounds.iter().all(|(name, bounds)| {
            package.provision(name).is_none_or(|provision| {
                bounds
                    .iter()
                    .all(|bound| Dependency::parse(bound).accepts(provision.version))
            })
        });
        within && !self.forbidden().any(|forbidden| package.satisfies(forbidden))
    }

    /// What the specification excludes with `!NAME`.
    fn forbidden(&self) -> impl Iterator<Item = &Dependency<'a>> {
        let wanted = self.wish.packages.iter().map(|wanted| &wanted.dependency);
        wanted.filter(|dependency| dependency.excludes)
    }

    /// A package that comes along because of what is there.
    fn installed_if(&self) -> Option<&'a Package> {
        self.index.packages.iter().find(|package| {
            !package.install_if.is_empty()
                && !self.chosen.contains_key(package.name.as_str())
                && !self.wish.excluded.contains(&package.name)
                && self.is_allowed(package)
                && Dependency::all(&package.install_if).all(|needed| self.is_met(&needed) != needed.excludes)
                && self.is_best(package)
                && self.fits(package)
        })
    }

    /// Whether nothing that is chosen excludes it: what nobody asked for is no reason to fail.
    fn fits(&self, package: &Package) -> bool {
        let mut others = self.chosen.values().map(|choice| choice.package);
        !others.any(|other| excludes(package, other) || excludes(other, package))
    }

    /// Whether its suite is in use, and has no later version of the package that could come along instead.
    fn is_best(&self, package: &Package) -> bool {
        let suite = package.suite;
        let in_use = suite == 0 || self.chosen.values().any(|choice| choice.suite == suite);
        let versions = self.index.providing(&package.name).into_iter();
        let best = versions
            .map(|id| &self.index.packages[id])
            .find(|other| other.name == package.name && other.suite == suite && self.is_allowed(other));
        in_use && best.is_some_and(|best| std::ptr::eq(best, package))
    }

    fn unsatisfiable(&self, parent: Option<&'a Package>, dependency: &Dependency<'a>) -> ResolveError {
        let providers = self.index.providing(dependency.name);
        match parent {
            Some(parent) => ResolveError::Unsatisfiable {
                relation: dependency.to_string(),
                chain: self.chain(parent) + &self.offers(dependency),
            },
            None if providers.is_empty() => ResolveError::Missing {
                name: dependency.to_string(),
                suites: self.wish.suites.join(", "),
                architecture: self.wish.architecture.to_owned(),
                similar: similar_names(dependency.name, self.index.names()),
            },
            None => ResolveError::Unsatisfiable {
                relation: dependency.to_string(),
                chain: format!("the base asks for it{}", self.offers(dependency)),
            },
        }
    }

    /// What there is instead, for people.
    fn offers(&self, dependency: &Dependency<'_>) -> String {
        let providers = self.index.providing(dependency.name).into_iter();
        let packages: Vec<&Package> = providers.map(|id| &self.index.packages[id]).collect();
        let named = |package: &Package| format!("{} {}", package.name, package.version);
        let elsewhere = packages
            .iter()
            .find(|package| package.suite != 0 && package.satisfies(dependency));
        if let Some(package) = elsewhere {
            // The main suite's would have been taken.
            let suite = self.wish.suites[package.suite];
            return format!("; write {}@{suite} to have it from there", package.name);
        }
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

    /// `!name` excludes others; and where one package gives a name a version, no other may provide it.
    fn check_conflicts(&self) -> Result<(), ResolveError> {
        let mut owners: BTreeMap<&str, &Package> = BTreeMap::new();
        for Choice { package, .. } in self.chosen.values() {
            let versioned = Dependency::all(&package.provides)
                .filter(|provided| provided.constraint.is_some())
                .map(|provided| provided.name);
            for name in versioned.chain([package.name.as_str()]) {
                if let Some(other) = owners.insert(name, package)
                    && other.name != package.name
                {
                    return Err(self.conflict(package, other, format!("{name}, which both provide")));
                }
            }
        }
        for Choice { package, .. } in self.chosen.values() {
            for provided in Dependency::all(&package.provides) {
                if let Some(other) = owners
                    .get(provided.name)
                    .filter(|other| other.name != package.name)
                {
                    let relation = format!("{}, which both provide", provided.name);
                    return Err(self.conflict(package, other, relation));
                }
            }
            for excluded in Dependency::all(&package.depends).filter(|dependency| dependency.excludes) {
                let met = |choice: &&Choice<'_>| {
                    choice.package.name != package.name && choice.package.satisfies(&excluded)
                };
                if let Some(other) = self.chosen.values().find(met) {
                    let relation = excluded.to_string().trim_start_matches('!').to_owned();
                    return Err(self.conflict(package, other.package, relation));
                }
            }
        }
        Ok(())
    }

    fn conflict(&self, package: &Package, other: &Package, relation: String) -> ResolveError {
        ResolveError::Conflict {
            package: package.name.clone(),
            other: other.name.clone(),
            relation,
            chain: self.chain(package),
            other_chain: self.chain(other),
        }
    }
}

fn excludes(package: &Package, other: &Package) -> bool {
    let versioned = Dependency::all(&package.provides).filter(|provided| provided.constraint.is_some());
    let mut names = versioned
        .map(|provided| provided.name)
        .chain([package.name.as_str()]);
    names.any(|name| other.provision(name).is_some())
        || Dependency::all(&package.depends)
            .any(|dependency| dependency.excludes && other.satisfies(&dependency))
}
