//! The builder: whether it is there, points where it should, and can do what the work wants.

use lrops_buildx::{BuilderFacts, BuilderPlace, CommandLine, KnownFailure, NodeFacts, Site};
use lrops_model::request::EmulationPolicy;

use super::buildx::{FarmFacts, FarmWanted, Problem};
use super::emulation::denied;
use super::finding::{Check, Remedy, State};
use crate::farm::Emulated;

/// The drivers whose nodes are docker daemons, named by a context or an address. Others are reached in ways of their own.
const DRIVERS_OF_DAEMONS: [&str; 2] = ["docker", "docker-container"];

/// Judges the builder.
pub(super) fn judge(wanted: &FarmWanted, facts: &FarmFacts) -> Vec<Check> {
    let builder = match &facts.builder {
        Ok(builder) => builder,
        // The daemon's own builder is told of already.
        Err(_) if facts.daemon.is_err() && wanted.place.builder.is_none() => return Vec::new(),
        Err(problem) => return vec![problem.check("builder", Site::of(&wanted.place))],
    };
    let place = BuilderPlace {
        builder: Some(builder.name.clone()),
        ..wanted.place.clone()
    };
    let mut checks = vec![nodes(wanted, facts, builder, &place)];
    checks.extend(image_store(wanted, facts, builder));
    checks.push(emulation(wanted, facts, &place));
    checks.push(match &facts.usage {
        Some(usage) => Check::ok("builder's disk", format!("it keeps {usage}")),
        None => Check::ok("builder's disk", "it does not tell what it keeps"),
    });
    checks
}

/// Where the nodes are, and whether they can be talked to.
fn nodes(wanted: &FarmWanted, facts: &FarmFacts, builder: &BuilderFacts, place: &BuilderPlace) -> Check {
    let found = described(builder);
    if let Some(cause) = astray(wanted, facts, builder) {
        let known = Remedy::known(KnownFailure::DaemonUnreachable, Site::of(place));
        let setup = known.cures.last().cloned().unwrap_or_default();
        let remedy = Remedy::new(known.guide, cause).cure(setup);
        return Check::ill(State::Broken, "builder", found, remedy);
    }
    let failed = builder
        .nodes
        .iter()
        .find_map(|node| Some((node, node.error.as_ref()?)));
    let Some((node, error)) = failed else {
        return Check::ok("builder", found);
    };
    // A node is at an address, or at a context, of which that of the place is known.
    let endpoint = if Some(&node.endpoint) == wanted.place.context.as_ref() {
        facts.endpoint.as_deref().ok()
    } else {
        Some(node.endpoint.as_str())
    };
    let problem = Problem {
        known: KnownFailure::recognise(error),
        said: format!("{found}: {error}"),
        command: inspect(place).to_string(),
    };
    problem.check("builder", Site::of(place).at(endpoint))
}

/// The question that a builder's description is the answer to.
fn inspect(place: &BuilderPlace) -> CommandLine {
    CommandLine::new("docker")
        .flag("--context", place.context.as_deref())
        .words(["buildx", "inspect"])
        .words(place.builder.as_deref())
}

fn described(builder: &BuilderFacts) -> String {
    let nodes = builder.nodes.iter().map(|node| {
        let status = if node.status.is_empty() {
            "not known"
        } else {
            &node.status
        };
        format!("{} at {} ({status})", node.name, node.endpoint)
    });
    let nodes: Vec<String> = nodes.collect();
    format!(
        "{} with the driver {}: {}",
        builder.name,
        builder.driver,
        nodes.join(", ")
    )
}

/// Says why a builder is not on the context that was asked for. One with a node there may have others elsewhere.
fn astray(wanted: &FarmWanted, facts: &FarmFacts, builder: &BuilderFacts) -> Option<String> {
    let context = wanted.place.context.as_deref()?;
    if !DRIVERS_OF_DAEMONS.contains(&builder.driver.as_str()) || builder.nodes.is_empty() {
        return None;
    }
    let endpoint = facts.endpoint.as_ref().ok()?;
    let is_there = |node: &NodeFacts| node.endpoint == context || node.endpoint == *endpoint;
    if builder.nodes.iter().any(is_there) {
        return None;
    }
    let places: Vec<&str> = builder.nodes.iter().map(|node| node.endpoint.as_str()).collect();
    Some(format!(
        "the builder {} points to {}, and not to the context {context} ({endpoint})",
        builder.name,
        places.join(", ")
    ))
}

/// The daemon's own builder can do what the daemon's image store can.
fn image_store(wanted: &FarmWanted, facts: &FarmFacts, builder: &BuilderFacts) -> Option<Check> {
    let daemon = facts.daemon.as_ref().ok()?;
    if !builder.is_daemons_own() || daemon.holds_platforms {
        return None;
    }
    let known = if wanted.platforms.len() > 1 {
        KnownFailure::MultiPlatformUnsupported
    } else if !wanted.pushes {
        KnownFailure::ExporterUnsupported
    } else {
        return None;
    };
    let found = format!("the daemon's own builder on docker {}", daemon.version);
    // A builder of another driver needs another name than the daemon's own has.
    let place = BuilderPlace {
        builder: wanted.place.builder.clone().filter(|name| *name != builder.name),
        ..wanted.place.clone()
    };
    let remedy = Remedy::known(known, Site::of(&place));
    Some(Check::ill(State::Broken, "image store", found, remedy))
}

/// Whether lines would be emulated at the builder, and whether it can.
fn emulation(wanted: &FarmWanted, facts: &FarmFacts, place: &BuilderPlace) -> Check {
    const NAME: &str = "builder's emulation";
    let Some(request) = &wanted.request else {
        return Check::not_needed(NAME, "there is no Dockerfile to look at");
    };
    let Some(emulated) = &facts.emulated else {
        return Check::not_needed(NAME, "the builder does not run yet, and names no platforms");
    };
    if emulated.is_empty() {
        return Check::not_needed(NAME, "no line would run a foreign program");
    }
    let found = format!("some lines would run programs of {}", listed(emulated.iter()));
    if request.emulation == EmulationPolicy::Deny {
        return denied(NAME, found);
    }
    let missing: Vec<&Emulated> = emulated.iter().filter(|one| !one.is_listed).collect();
    let known = Remedy::known(KnownFailure::EmulationMissing, Site::of(place));
    if !missing.is_empty() {
        let cause = format!(
            "the builder does not list {} among its platforms",
            listed(missing)
        );
        return Check::ill(State::Broken, NAME, found, Remedy { cause, ..known });
    }
    if request.emulation == EmulationPolicy::Allow {
        return Check::ok(NAME, format!("{found}, and can"));
    }
    let cause = "they can, and take 10 to 35 times as long".to_owned();
    let mut remedy = Remedy { cause, ..known };
    remedy.cures.pop();
    Check::ill(State::Warning, NAME, found, remedy)
}

fn listed<'e>(emulated: impl IntoIterator<Item = &'e Emulated>) -> String {
    let names = emulated.into_iter().map(|one| one.platform.to_string());
    names.collect::<Vec<_>>().join(", ")
}
