//! `lrops release`: the image of a version's tag, from the tag's own tree, proved, published, and called by its version.
//!
//! Everything before the build happens outside of the namespaces, without a thread: git and hooks are the user's. What the
//! plan tells is told from the Dockerfile alone.

mod tag;
mod tree;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use lrops_buildx::quoted;
use lrops_model::cancel::CancelToken;
use lrops_model::reference::Reference;

use super::{build, plan, print, say, version};
use crate::arguments::{BuildTime, EngineName, ReleaseArguments};
use crate::configuration::{self, Configuration};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::git::Repository;
use crate::hooks::HookPlace;
use crate::prompt;
use crate::report;
use crate::request::{Intent, Project, configuration_near, resolve_project};
use crate::session::open_store;
use crate::signals::Early;
use crate::version::{Version, VersionTag};

use tree::Tree;

/// Releases a version.
///
/// # Errors
/// Whatever hinders it; what was built and published by then stays, and the same command goes on.
pub(super) fn run(arguments: &ReleaseArguments, environment: &Environment) -> Result<(), Failure> {
    let repository = version::repository(arguments.directory.as_deref(), environment)?;
    let tag = tag::find(&repository, arguments.tag.as_deref(), environment)?;
    let asks = !arguments.yes && !arguments.dry_run;
    if asks && (!environment.terminal || !environment.input_terminal) {
        return Err(Failure::usage_advised(
            format!("there is no terminal to ask at whether {} is released", tag.name),
            "--yes begins without asking, --dry-run only shows the plan",
        ));
    }
    let cancel = CancelToken::new();
    let early = Early::watch(&cancel)?;
    let store = open_store(&environment.store_root(arguments.image.places.store.as_deref()))?;
    let version = repository.version_of(&tag)?;
    let tree = Tree::check_out(&repository, &version, &store, &cancel)?;
    let release = Release::of(arguments, &repository, &tag, &version, &tree, environment)?;
    let mut intent = release.intent(&cancel)?;
    for notice in release.notices.iter().chain(&intent.notices) {
        say(&report::notice(notice));
    }
    let plan = release.plan(&intent)?;
    if arguments.dry_run {
        return print(&plan);
    }
    say(&plan);
    if asks && !prompt::agreement("Release it?", &cancel)? {
        return Err(Failure::because("nothing is released, since the answer was no"));
    }
    if !release.hooks().is_empty() {
        release.run_hooks(&cancel)?;
        // They may have made files that the build is about.
        intent = release.intent(&cancel)?;
    }
    drop(early);
    let root = build::carry_out(&intent, environment).inspect_err(|failure| {
        if matches!(failure, Failure::Build(_)) && intent.engine.engine == EngineName::Buildx {
            say(&report::notice(&format!(
                "{} is gone, and a command that names it does not work any more; to try again: {}",
                tree.path().display(),
                release.again()
            )));
        }
    })?;
    if environment.data_terminal {
        // A person has read it in the summary.
        return Ok(());
    }
    let names = intent.request.tags.iter();
    let images: BTreeSet<String> = names
        .map(|name| format!("{}\n", name.with_digest(root.digest)))
        .collect();
    print(&images.into_iter().collect::<String>())
}

/// A version that is going to be released.
struct Release<'a> {
    arguments: &'a ReleaseArguments,
    tag: &'a VersionTag,
    version: &'a Version,
    tree: &'a Tree,
    /// The project's directory in the tree.
    directory: PathBuf,
    /// The tag's own `lrops.toml`.
    configuration: Configuration,
    notices: Vec<String>,
    environment: &'a Environment,
}

impl<'a> Release<'a> {
    fn of(
        arguments: &'a ReleaseArguments,
        repository: &Repository,
        tag: &'a VersionTag,
        version: &'a Version,
        tree: &'a Tree,
        environment: &'a Environment,
    ) -> Result<Self, Failure> {
        let prefix = repository.prefix()?;
        let directory = tree.path().join(&prefix);
        if !directory.is_dir() {
            return Err(Failure::usage(format!(
                "{} has no directory {}",
                tag.name,
                prefix.display()
            )));
        }
        let now = arguments.directory.as_ref();
        let now = now.map_or_else(
            || environment.directory.clone(),
            |path| environment.absolute(path),
        );
        let now = now.canonicalize().unwrap_or(now);
        let mut notices = Vec::new();
        let places = &arguments.image.places;
        let mut configuration = configuration_near(places, &directory, environment)?;
        if let Some(path) = places.config.as_deref() {
            // Its paths are those of the tag's tree, as if it stood there.
            let top = now.ancestors().nth(prefix.components().count()).unwrap_or(&now);
            let path = environment.absolute(path);
            let path = path.canonicalize().unwrap_or(path);
            let inside = path.strip_prefix(top).map(|rest| tree.path().join(rest));
            configuration.path = Some(inside.unwrap_or(path));
        } else if configuration.path.is_none()
            && let Some(path) = configuration::find(&now)
        {
            notices.push(format!(
                "{} has no {}, and the present one is not its own; --config {} uses it all the same",
                tag.name,
                configuration::FILE_NAME,
                quoted(&path.display().to_string())
            ));
        }
        Ok(Self {
            arguments,
            tag,
            version,
            tree,
            directory,
            configuration,
            notices,
            environment,
        })
    }

    /// Finds out what is meant by the tag's own tree.
    fn intent(&self, cancel: &CancelToken) -> Result<Intent, Failure> {
        let project = Project {
            directory: self.directory.clone(),
            configuration: self.configuration.clone(),
            version: Some(self.version.clone()),
        };
        let build = self.arguments.build(self.repositories()?);
        let mut intent = resolve_project(build, project, self.environment)?;
        intent.request.cancel = cancel.clone();
        intent.continuation = Some(self.again());
        Ok(intent)
    }

    /// Returns the repositories: a release has no other names.
    fn repositories(&self) -> Result<Vec<String>, Failure> {
        let section = &self.configuration.sections.build;
        let typed = &self.arguments.image.repository;
        if !typed.is_empty() {
            return Ok(typed.clone());
        }
        if !section.repositories.is_empty() {
            let words = section.repositories.iter();
            return Ok(words.map(|word| word.0.familiar()).collect());
        }
        let example = section.tags.first().map(|tag| {
            let familiar = tag.familiar();
            let whole = tag
                .tag()
                .and_then(|tag| familiar.strip_suffix(&format!(":{tag}")));
            whole.unwrap_or(&familiar).to_owned()
        });
        let example = example.unwrap_or_else(|| "registry.example/team/app".to_owned());
        Err(Failure::usage_advised(
            format!("nothing says in which repository {} is released", self.tag.name),
            format!(
                "say it with --repository {example}, or in {}: repositories = [\"{example}\"] under [build]",
                configuration::FILE_NAME
            ),
        ))
    }

    /// Returns the command that goes on where this one stops.
    fn again(&self) -> String {
        let typed = self.environment.command_line();
        match self.arguments.tag {
            Some(_) => typed,
            None => format!("{typed} --tag {}", quoted(&self.tag.name)),
        }
    }

    fn hooks(&self) -> &[String] {
        &self.configuration.sections.hooks.before_build
    }

    fn run_hooks(&self, cancel: &CancelToken) -> Result<(), Failure> {
        let time = match self.arguments.build_time() {
            BuildTime::Commit => self.version.facts.commit_time,
            BuildTime::Now => self.environment.now,
        };
        let mut variables = self.version.build_arguments(time).to_vec();
        variables.push(("GIT_TAG", self.tag.name.clone()));
        let own = self
            .configuration
            .directory()
            .filter(|path| path.starts_with(self.tree.path()));
        let place = HookPlace {
            directory: own.unwrap_or(&self.directory),
            variables: &variables,
        };
        for line in self.hooks() {
            say(&format!("hook: {line}"));
            place.run(line, cancel)?;
        }
        Ok(())
    }

    /// Says what is going to be done.
    fn plan(&self, intent: &Intent) -> Result<String, Failure> {
        let facts = &self.version.facts;
        let mut text = format!(
            "Release of {}, commit {} of {}\nengine: {}, because {}\n\n",
            self.tag.name,
            self.version.short_commit(),
            facts.commit_time,
            intent.engine.name(),
            intent.engine.reason
        );
        let outline = plan::told_by_dockerfile(intent, self.environment)?;
        // Where the tree is says nothing to anybody, and it is gone when the release is done.
        let place = self.tree.path().display().to_string();
        if outline.contains(&place) {
            let _ = writeln!(text, "{}", outline.replace(&place, TREE));
            let _ = writeln!(text, "{TREE} is where {} is checked out.\n", self.tag.name);
        } else {
            let _ = writeln!(text, "{outline}");
        }
        for (index, phase) in self.phases(intent).iter().enumerate() {
            let _ = writeln!(text, "{}. {phase}", index + 1);
        }
        Ok(text)
    }

    fn phases(&self, intent: &Intent) -> Vec<String> {
        let names = &intent.request.tags;
        let list = |names: &[Reference]| {
            let names: Vec<String> = names.iter().map(Reference::familiar).collect();
            names.join(", ")
        };
        let hooks = self.hooks().iter().map(|line| format!("run the hook: {line}"));
        let mut phases = vec![format!("check out {} in a temporary place", self.tag.name)];
        phases.extend(hooks);
        phases.push("build".to_owned());
        phases.push("verify the image: every blob, every platform, every program".to_owned());
        if intent.publish.is_some() {
            let places: BTreeSet<String> = names.iter().map(crate::publish::place).collect();
            let places: Vec<String> = places.into_iter().collect();
            phases.push(format!("push to {}, under its digest", places.join(", ")));
            phases.push(format!("move the tags, in this order: {}", list(names)));
        } else {
            phases.push(format!(
                "call it {} in the store; nothing is pushed without --push",
                list(names)
            ));
        }
        phases
    }
}

/// What stands for the tree's place in what people read.
const TREE: &str = "TREE";
