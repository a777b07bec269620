//! `lrops builder ls` and `lrops builder inspect`.

use lrops_buildx::{BuilderFacts, NodeFacts};
use lrops_model::platform::Platform;

use crate::arguments::{Format, InspectBuilderArguments, ListArguments};
use crate::commands::{print, print_json};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::table::{Align, Table};

/// Lists all builders.
///
/// # Errors
/// When docker or buildx does not answer.
pub(super) fn list(arguments: &ListArguments, environment: &Environment) -> Result<(), Failure> {
    let place = super::place(None, &arguments.builder, &arguments.places, environment)?;
    let docker = super::docker(place)?;
    let builders = BuilderFacts::list(&docker, super::version(&docker)?)
        .map_err(|error| Failure::docker(error, docker.place()))?;
    match arguments.format {
        Format::Json => print_json(&builders),
        Format::Text => print(&table(&builders).to_string()),
    }
}

/// Shows one builder.
///
/// # Errors
/// When it is not there, or does not answer.
pub(super) fn inspect(arguments: &InspectBuilderArguments, environment: &Environment) -> Result<(), Failure> {
    let name = arguments.name.as_deref();
    let place = super::place(name, &arguments.builder, &arguments.places, environment)?;
    let docker = super::docker(place)?;
    let failed = |error| Failure::docker(error, docker.place());
    super::version(&docker)?;
    docker.check_context().map_err(failed)?;
    let builder = BuilderFacts::ask(&docker).map_err(failed)?;
    match arguments.format {
        Format::Json => print_json(&builder),
        Format::Text => print(&table(&[builder]).to_string()),
    }
}

/// One row a node.
pub(super) fn table(builders: &[BuilderFacts]) -> Table {
    let heads = [
        "builder",
        "driver",
        "node",
        "endpoint",
        "status",
        "buildkit",
        "platforms",
    ];
    let mut table = Table::new(&heads.map(|head| (head, Align::Left)));
    for builder in builders {
        for node in &builder.nodes {
            table.row(vec![
                builder.name.clone(),
                builder.driver.clone(),
                node.name.clone(),
                node.endpoint.clone(),
                status(node),
                node.buildkit.clone().unwrap_or_default(),
                platforms(&node.platforms),
            ]);
        }
        if let (true, Some(error)) = (builder.nodes.is_empty(), &builder.error) {
            let error = error.lines().next().unwrap_or_default().to_owned();
            let mut cells = vec![
                builder.name.clone(),
                builder.driver.clone(),
                String::new(),
                String::new(),
            ];
            cells.extend([error, String::new(), String::new()]);
            table.row(cells);
        }
    }
    table
}

fn status(node: &NodeFacts) -> String {
    match &node.error {
        Some(error) => error.lines().next().unwrap_or_default().to_owned(),
        None => node.status.clone(),
    }
}

fn platforms(platforms: &[Platform]) -> String {
    let names: Vec<String> = platforms.iter().map(Platform::to_string).collect();
    names.join(", ")
}
