//! `lrops init`: looks at a project, and writes the files that lrops needs and that are not there.

mod gathering;
mod writing;

use std::path::{Path, PathBuf};

use lrops_dockerfile::emulation;

use super::{print, say};
use crate::amounts;
use crate::arguments::{BuildArguments, InitArguments};
use crate::configuration::{self, Configuration, ConfigurationError, FILE_NAME};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::farm;
use crate::init::{Document, Kind, Mistake, PLATFORMS, Project, documents};
use crate::report::{self, Source};
use crate::request;

/// Says that nothing of a project is known here, and what was looked for.
const NOTHING_FOUND: &str = "found nothing that lrops init knows how to build: it looked for a Dockerfile, for go.mod, \
                             Cargo.toml and package.json here and one directory below, and for what these build";

/// Writes a project's files.
///
/// # Errors
/// When the project cannot be read, or what says what it is is broken; when a file cannot be written, and then none is.
pub(super) fn run(arguments: &InitArguments, environment: &Environment) -> Result<(), Failure> {
    let directory = directory(arguments, environment)?;
    let files = gathering::gather(&directory)?;
    let configuration = existing_configuration(&directory)?;
    let configured = configuration
        .as_ref()
        .and_then(|it| configured_dockerfile(it, &directory));
    let name = directory
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let project = Project::of(&files, &name, configured).map_err(|mistake| failure(&directory, mistake))?;
    for found in project.found() {
        say(&format!("found {found}"));
    }
    if project.kind == Kind::Unknown {
        say(NOTHING_FOUND);
    }
    for note in &project.notes {
        say(&report::notice(note));
    }
    let (missing, kept): (Vec<Document>, Vec<Document>) = documents(&project)
        .into_iter()
        .partition(|document| directory.join(document.name).symlink_metadata().is_err());
    if arguments.dry_run {
        let texts = missing
            .iter()
            .map(|document| format!("==> {} <==\n{}", document.name, document.text));
        print(&texts.collect::<Vec<_>>().join("\n"))?;
    } else {
        writing::write_all(&directory, &missing)?;
    }
    tell(&directory, &missing, &kept, arguments.dry_run);
    if let Kind::Dockerfile(dockerfile) = &project.kind {
        tell_emulation(&directory, dockerfile, configuration.is_some(), environment)?;
    }
    if !missing.is_empty() && !arguments.dry_run {
        say(next(&project));
    }
    Ok(())
}

fn directory(arguments: &InitArguments, environment: &Environment) -> Result<PathBuf, Failure> {
    let directory = match &arguments.directory {
        Some(directory) => environment.absolute(directory),
        None => environment.directory.clone(),
    };
    if !directory.is_dir() {
        return Err(Failure::usage(format!(
            "there is no directory {}",
            directory.display()
        )));
    }
    directory.canonicalize().map_err(|source| {
        Failure::work(
            format!("failed to find the directory {}", directory.display()),
            source,
        )
    })
}

/// Reads the configuration that the project has already.
fn existing_configuration(directory: &Path) -> Result<Option<Configuration>, Failure> {
    let path = directory.join(FILE_NAME);
    if path.is_file() {
        Ok(Some(configuration::read(&path)?))
    } else {
        Ok(None)
    }
}

/// Returns the Dockerfile that the configuration names, if it is there.
fn configured_dockerfile(configuration: &Configuration, directory: &Path) -> Option<String> {
    let dockerfile = configuration.sections.build.dockerfile.as_ref()?;
    directory
        .join(dockerfile)
        .is_file()
        .then(|| dockerfile.display().to_string())
}

/// Says where a text of the project is broken, as for `lrops.toml`.
fn failure(directory: &Path, mistake: Mistake) -> Failure {
    Failure::from(ConfigurationError::Mistake {
        path: directory.join(mistake.path),
        text: mistake.text,
        message: mistake.message,
        span: Some(mistake.span),
        advice: mistake.advice,
    })
}

/// Says what was written and what was kept.
fn tell(directory: &Path, missing: &[Document], kept: &[Document], dry_run: bool) {
    let names = |documents: &[Document]| {
        let names: Vec<&str> = documents.iter().map(|document| document.name).collect();
        names.join(", ")
    };
    if missing.is_empty() {
        say(&format!("nothing was written: {} is there already", names(kept)));
        return;
    }
    for document in kept {
        say(&format!("kept {}, which is there already", document.name));
    }
    let verb = if dry_run { "would write" } else { "wrote" };
    say(&format!("{verb} {} in {}", names(missing), directory.display()));
    if kept.iter().any(|document| document.name == FILE_NAME) {
        say(&report::notice(&format!(
            "the new Dockerfile takes its images from registries unless {FILE_NAME} answers its arguments with bases; \
             move {FILE_NAME} away, and `lrops init --dry-run` shows how"
        )));
    }
}

/// Says which lines of a Dockerfile would need emulation.
fn tell_emulation(
    directory: &Path,
    dockerfile: &str,
    configured: bool,
    environment: &Environment,
) -> Result<(), Failure> {
    let platforms = if configured {
        Vec::new()
    } else {
        PLATFORMS.map(str::to_owned).to_vec()
    };
    let arguments = BuildArguments {
        context: Some(directory.display().to_string()),
        file: Some(directory.join(dockerfile).display().to_string()),
        platform: platforms,
        emulation: Some("warn".to_owned()),
        ..BuildArguments::default()
    };
    let request = request::resolve(&arguments, environment)?.request;
    let findings = emulation::findings(&farm::graph(&request), &request);
    let platforms: Vec<String> = request.platforms.iter().map(ToString::to_string).collect();
    let platforms = platforms.join(", ");
    if findings.is_empty() {
        say(&format!("{dockerfile} needs no emulation for {platforms}"));
        return Ok(());
    }
    let source = Source {
        name: dockerfile,
        text: &request.dockerfile.text,
    };
    say(&format!("\n{}\n", report::findings(&findings, source)));
    say(&format!(
        "{dockerfile} needs emulation for {platforms}: {}",
        amounts::count(findings.len(), "step")
    ));
    Ok(())
}

fn next(project: &Project) -> &'static str {
    match project.kind {
        Kind::Unknown => "next: write a Dockerfile, then `lrops build`",
        _ => "next: look through them, then `lrops plan` and `lrops build`",
    }
}
