//! `lrops verify`: proves an image, wherever it is.

use lrops_model::cancel::CancelToken;
use lrops_model::finding::{Finding, Severity};
use lrops_model::platform::Platform;
use lrops_store::verify::{AllowRule, Expectations, Report, verify_image};

use super::{print, print_json};
use crate::amounts;
use crate::arguments::{Format, VerifyArguments};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::image::{Lookup, PlacedImage};
use crate::proof;
use crate::registries;
use crate::report::finding_title;
use crate::request::{configuration_near, parse_platforms};
use crate::signals;
use crate::style::{BAD, GOOD, WARN, painted};
use crate::table::{Align, Table};

/// Proves an image.
///
/// # Errors
/// When it is not what it promises, which is then shown; when it cannot be read.
pub(super) fn run(arguments: &VerifyArguments, environment: &Environment) -> Result<(), Failure> {
    let configuration = configuration_near(&arguments.places, &environment.directory, environment)?;
    let section = &configuration.sections.verify;
    let platforms = if arguments.platform.is_empty() {
        section.platforms.clone()
    } else {
        parse_platforms("--platform", &arguments.platform)?
    };
    let allow: Vec<String> = section.allow.iter().chain(&arguments.allow).cloned().collect();
    let expectations = expectations(platforms, &allow)?;
    let store = environment.store_root(arguments.places.store.as_deref());
    let cancel = CancelToken::new();
    signals::watch(&cancel, super::say)?;
    let lookup = Lookup {
        store: &store,
        environment,
        registries: Some(&|| registries::open(&configuration, &arguments.registries, environment)),
        cancel: &cancel,
    };
    let image = PlacedImage::find(&arguments.image, &lookup)?;
    let report =
        verify_image(image.source.as_ref(), &image.root, &expectations, &cancel).map_err(proof::stopped)?;
    match arguments.format {
        Format::Json => print_json(&report)?,
        Format::Text => print(&shown(&format!("{} in {}", image.name, image.place), &report))?,
    }
    if report.is_sound() {
        Ok(())
    } else {
        Err(proof::failed(&report))
    }
}

/// Returns what an image is expected to be.
///
/// # Errors
/// When a pattern is none.
pub(super) fn expectations(platforms: Vec<Platform>, allow: &[String]) -> Result<Expectations, Failure> {
    let rules = allow.iter().map(|text| match text.parse() {
        Ok(pattern) => Ok(AllowRule {
            pattern,
            platform: None,
        }),
        Err(error) => Err(Failure::usage(format!("verify: {error}"))),
    });
    Ok(Expectations {
        platforms,
        allow: rules.collect::<Result<_, _>>()?,
    })
}

fn shown(name: &str, report: &Report) -> String {
    let heads = [
        ("platform", Align::Left),
        ("manifest", Align::Left),
        ("size", Align::Right),
        ("layers", Align::Right),
        ("programs", Align::Right),
    ];
    let mut table = Table::new(&heads);
    for platform in &report.platforms {
        let cells = [
            platform.platform.to_string(),
            platform.manifest.digest.to_string(),
            amounts::size(platform.size_bytes),
            platform.layers.to_string(),
            platform.programs.to_string(),
        ];
        table.row(cells.into());
    }
    let findings: String = report.findings.iter().map(finding_lines).collect();
    let verdict = if report.is_sound() {
        format!(
            "{} {name} is what it promises: {}",
            painted(GOOD, "✔"),
            report.root.digest
        )
    } else {
        format!(
            "{} {name} is not what it promises: {}",
            painted(BAD, "✘"),
            report.root.digest
        )
    };
    format!("{table}\n{findings}{verdict}\n")
}

fn finding_lines(finding: &Finding) -> String {
    let kind = match finding.severity {
        Severity::Error => painted(BAD, "error"),
        Severity::Warning => painted(WARN, "warning"),
    };
    let advice = finding
        .advice
        .as_ref()
        .map(|advice| format!("  {advice}\n"))
        .unwrap_or_default();
    format!("{kind}: {}\n{advice}\n", finding_title(finding))
}
