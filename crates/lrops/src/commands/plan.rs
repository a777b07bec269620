//! `lrops plan`: what a build would do, grouped by how often it would be done.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use lrops_buildx::Start;
use lrops_dockerfile::emulation;
use lrops_dockerfile::instruction::Dockerfile;
use lrops_engine::plan::is_shown;
use lrops_model::engine::BuildError;
use lrops_model::finding::{Finding, Severity};
use lrops_model::graph::{Graph, Op, StepId};
use lrops_model::platform::Platform;
use lrops_model::reference::Reference;
use lrops_model::request::{BuildRequest, DockerfileText};
use serde::Serialize;

use super::build::open;
use super::{print, print_json, say};
use crate::amounts;
use crate::arguments::{EngineName, Format, PlanArguments, ProgressMode};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::farm::{self, Farm};
use crate::progress::{Progress, instruction_line};
use crate::report::{self, Source};
use crate::request::{Intent, resolve};
use crate::session::{Session, Use};
use crate::style::{ACCENT, DIM, GOOD, HEAD, WARN, painted};

/// Shows the plan of a build.
///
/// # Errors
/// When it cannot be planned.
pub(super) fn run(arguments: &PlanArguments, environment: &Environment) -> Result<(), Failure> {
    let intent = resolve(&arguments.build, environment)?;
    for notice in &intent.notices {
        say(&report::notice(notice));
    }
    plan(&intent, arguments.format, environment)
}

/// Shows the plan of a request.
///
/// # Errors
/// As [`run`].
pub(super) fn plan(intent: &Intent, format: Format, environment: &Environment) -> Result<(), Failure> {
    // What is being looked up is worth seeing where someone watches; in a log it would hide the plan.
    let mode = if intent.progress == ProgressMode::Plain {
        ProgressMode::Quiet
    } else {
        intent.progress
    };
    let (session, progress) = open(intent, mode, environment)?;
    let outline = match intent.engine.engine {
        EngineName::Embedded => embedded(intent, &session, &progress),
        EngineName::Buildx => farm(intent, &session, &progress, environment),
    };
    progress.finish();
    let outline = outline?;
    match format {
        Format::Json => print_json(&outline),
        Format::Text => {
            outline.show_findings(&intent.request.dockerfile);
            print(&outline.to_string())
        }
    }
}

/// Returns the plan of a request as its Dockerfile alone tells it, without looking at any image and without namespaces.
///
/// # Errors
/// When it cannot be planned, or emulation is denied.
pub(super) fn told_by_dockerfile(intent: &Intent, environment: &Environment) -> Result<String, Failure> {
    let outline = match intent.engine.engine {
        EngineName::Embedded => {
            refuse_mistakes(&intent.request.dockerfile)?;
            let graph = farm::graph(&intent.request);
            let findings = farm::emulation_findings(&graph, &intent.request)?;
            Outline {
                steps: rows(&intent.request, &graph, &BTreeSet::new()),
                findings,
                ..Outline::new(intent)
            }
        }
        EngineName::Buildx => {
            let session = Session::open(
                &intent.store,
                intent.configuration.clone(),
                &intent.registries,
                environment,
                Use::Farm(&intent.request.cancel),
            )?;
            let progress = Progress::begin(ProgressMode::Quiet, intent.request.platforms.len());
            let outline = farm(intent, &session, &progress, environment);
            progress.finish();
            outline?
        }
    };
    outline.show_findings(&intent.request.dockerfile);
    Ok(outline.to_string())
}

/// Stops at what no build could read. buildx judges by itself, perhaps with another syntax.
fn refuse_mistakes(dockerfile: &DockerfileText) -> Result<(), Failure> {
    let (_, findings) = Dockerfile::parse(&dockerfile.text);
    if findings.iter().all(|finding| finding.severity != Severity::Error) {
        return Ok(());
    }
    Err(Failure::Build(BuildError::Dockerfile {
        name: dockerfile.name.clone(),
        text: dockerfile.text.clone(),
        findings,
    }))
}

fn embedded(intent: &Intent, session: &Session, progress: &Progress) -> Result<Outline, Failure> {
    let on_event = |event| progress.event(&event);
    let planned = session.with_engine(&intent.request, &on_event, |engine| {
        let plan = engine.plan(&intent.request, &on_event)?;
        let cached = engine.cached(&intent.request, &plan)?;
        Ok::<_, BuildError>((plan, cached))
    });
    let (plan, cached) = planned??;
    Ok(Outline {
        steps: rows(&intent.request, &plan.graph, &cached),
        findings: plan.findings,
        ..Outline::new(intent)
    })
}

fn farm(
    intent: &Intent,
    session: &Session,
    progress: &Progress,
    environment: &Environment,
) -> Result<Outline, Failure> {
    let farm = Farm::prepare(intent, session, progress, environment, Start::Later)?;
    let commands = farm.commands()?;
    let shares = farm.shares();
    let (mut steps, mut nodes) = (Vec::new(), Vec::new());
    for share in shares {
        steps.extend(rows(&share.request, &share.outlined.graph, &BTreeSet::new()));
        nodes.push(NodePart {
            name: share.node.clone(),
            platforms: share.request.platforms.clone(),
            build_platform: share.request.build_platform.clone(),
        });
    }
    let first = nodes.first().map(|node| node.build_platform.clone());
    Ok(Outline {
        build_platform: first.unwrap_or_else(|| intent.request.build_platform.clone()),
        steps,
        nodes: if nodes.len() > 1 { nodes } else { Vec::new() },
        findings: farm::findings(&intent.request, shares),
        commands: commands.iter().map(ToString::to_string).collect(),
        ..Outline::new(intent)
    })
}

/// A plan as it is shown.
#[derive(Debug, Serialize)]
struct Outline {
    engine: &'static str,
    /// Why this engine was taken.
    because: String,
    /// What buildx is asked with.
    commands: Vec<String>,
    dockerfile: String,
    platforms: Vec<Platform>,
    build_platform: Platform,
    /// What each node builds, when there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<NodePart>,
    /// The image's names, in the order in which they move.
    names: Vec<String>,
    /// What Dockerfiles are told of the project's state.
    told: BTreeMap<String, String>,
    steps: Vec<Row>,
    findings: Vec<Finding>,
}

/// What one node of a builder builds.
#[derive(Debug, Serialize)]
struct NodePart {
    name: String,
    platforms: Vec<Platform>,
    build_platform: Platform,
}

/// One step.
#[derive(Debug, Serialize)]
struct Row {
    id: StepId,
    op: &'static str,
    stage: String,
    position: u32,
    total: u32,
    instruction: String,
    file: String,
    line: Option<u32>,
    platforms: Vec<Platform>,
    /// Whether one run serves more than one platform.
    once: bool,
    emulated: bool,
    /// Whether its result is in the store already.
    cached: bool,
}

/// Returns the steps that people are shown.
fn rows(request: &BuildRequest, graph: &Graph, cached: &BTreeSet<StepId>) -> Vec<Row> {
    let shown = graph.order.iter().filter(|id| is_shown(&graph.step(**id).op));
    let row = |id: &StepId| {
        let step = graph.step(*id);
        let label = step.label.clone();
        Row {
            id: *id,
            op: op_name(&step.op),
            stage: label.stage,
            position: label.position,
            total: label.total,
            instruction: label.instruction,
            file: label.file,
            line: label.place.map(|place| place.line),
            once: label.platforms.len() > 1,
            platforms: label.platforms,
            emulated: emulation::platform(graph, &request.build_platform, *id).is_some(),
            cached: cached.contains(id),
        }
    };
    shown.map(row).collect()
}

impl Outline {
    /// A plan without its steps.
    fn new(intent: &Intent) -> Self {
        let request = &intent.request;
        Self {
            dockerfile: request.dockerfile.name.clone(),
            platforms: request.platforms.clone(),
            build_platform: request.build_platform.clone(),
            names: request.tags.iter().map(Reference::familiar).collect(),
            told: intent.told.clone(),
            nodes: Vec::new(),
            steps: Vec::new(),
            findings: Vec::new(),
            engine: intent.engine.name(),
            because: intent.engine.reason.clone(),
            commands: Vec::new(),
        }
    }

    fn show_findings(&self, dockerfile: &DockerfileText) {
        if self.findings.is_empty() {
            return;
        }
        let source = Source {
            name: &dockerfile.name,
            text: &dockerfile.text,
        };
        say(&format!("{}\n", report::findings(&self.findings, source)));
    }

    /// The steps by the platforms that they serve: the widest groups first, then in the order of the platforms.
    fn groups(&self) -> Vec<(Vec<Platform>, Vec<&Row>)> {
        let mut groups: Vec<(Vec<Platform>, Vec<&Row>)> = Vec::new();
        for row in &self.steps {
            match groups
                .iter_mut()
                .find(|(platforms, _)| *platforms == row.platforms)
            {
                Some((_, rows)) => rows.push(row),
                None => groups.push((row.platforms.clone(), vec![row])),
            }
        }
        let place = |platforms: &[Platform]| {
            platforms
                .first()
                .and_then(|first| self.platforms.iter().position(|platform| platform == first))
        };
        groups.sort_by_key(|(platforms, _)| (std::cmp::Reverse(platforms.len()), place(platforms)));
        groups
    }

    fn title(&self, platforms: &[Platform]) -> String {
        let names = listed(platforms);
        match platforms.len() {
            _ if self.platforms.len() < 2 => format!("For {names}"),
            1 => format!("For {names} alone"),
            number if number == self.platforms.len() => format!("Once, for all {number} platforms"),
            _ => format!("Once, for {names}"),
        }
    }

    fn write_counts(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let once = self.steps.iter().filter(|row| row.once).count();
        let emulated = self
            .steps
            .iter()
            .filter(|row| row.emulated && !row.cached)
            .count();
        let cached = self.steps.iter().filter(|row| row.cached).count();
        write!(f, "\n{}", amounts::count(self.steps.len(), "step"))?;
        if self.platforms.len() > 1 {
            write!(
                f,
                ": {once} once for several platforms, {} for one platform each",
                self.steps.len() - once
            )?;
        }
        match cached {
            0 => {}
            number if number == self.steps.len() => write!(f, "; all are cached")?,
            1 => write!(f, "; 1 is cached")?,
            number => write!(f, "; {number} are cached")?,
        }
        match emulated {
            0 => writeln!(f, "; {}", painted(GOOD, "nothing is emulated")),
            number => {
                let steps = amounts::count(number, "step");
                writeln!(
                    f,
                    "; {}",
                    painted(WARN, &format!("{steps} would run under emulation"))
                )
            }
        }
    }
}

impl std::fmt::Display for Outline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} for {}, ", self.dockerfile, listed(&self.platforms))?;
        if self.nodes.is_empty() {
            writeln!(f, "built on {}", self.build_platform)?;
        } else {
            writeln!(f, "built by {} nodes:", self.nodes.len())?;
        }
        for node in &self.nodes {
            let (name, platforms, own) = (&node.name, listed(&node.platforms), &node.build_platform);
            writeln!(f, "  {name} for {platforms}, built on {own}")?;
        }
        if !self.names.is_empty() {
            writeln!(f, "called {}", self.names.join(", "))?;
        }
        if !self.told.is_empty() {
            let told = self.told.iter().map(|(name, value)| format!("{name}={value}"));
            let told: Vec<String> = told.collect();
            writeln!(f, "told {}", told.join(" "))?;
        }
        for (platforms, rows) in self.groups() {
            writeln!(f, "\n{}", painted(HEAD, &self.title(&platforms)))?;
            let width = rows
                .iter()
                .map(|row| place_of(row).chars().count())
                .max()
                .unwrap_or(0);
            for row in rows {
                let place = format!("{:<width$}", place_of(row));
                let mut line = format!(
                    "  {}  {}",
                    painted(DIM, &place),
                    instruction_line(&row.instruction)
                );
                if row.cached {
                    let _ = write!(line, "  {}", painted(ACCENT, "cached"));
                } else if row.emulated {
                    let _ = write!(line, "  {}", painted(WARN, "emulated"));
                }
                writeln!(f, "{line}")?;
            }
        }
        self.write_counts(f)?;
        if self.engine == "buildx" {
            writeln!(
                f,
                "\n{} because {}:",
                painted(HEAD, "docker buildx is asked"),
                self.because
            )?;
            for command in &self.commands {
                writeln!(f, "  {command}")?;
            }
        }
        Ok(())
    }
}

fn listed(platforms: &[Platform]) -> String {
    let names: Vec<String> = platforms.iter().map(Platform::to_string).collect();
    names.join(", ")
}

fn place_of(row: &Row) -> String {
    if row.stage.is_empty() {
        return format!("[{}/{}]", row.position, row.total);
    }
    format!("[{} {}/{}]", row.stage, row.position, row.total)
}

fn op_name(op: &Op) -> &'static str {
    let version = op.version();
    version.split('.').next().unwrap_or(version)
}

#[cfg(test)]
mod tests;
