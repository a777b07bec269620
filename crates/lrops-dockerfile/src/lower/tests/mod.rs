//! What stages become.

#![expect(
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes its texts so"
)]

mod config;
mod files;
mod mistakes;
mod run;
mod stages;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::Expect;
use lrops_model::digest::{DiffId, Digest};
use lrops_model::finding::Finding;
use lrops_model::graph::{Graph, ImageOp, Op, RunNetwork, Step, StepLabel};
use lrops_model::oci::ImageConfig;

use super::{LowerInputs, Lowered, Resolved, lower};
use crate::instruction::Dockerfile;

const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

pub(crate) fn inputs(text: &str) -> LowerInputs {
    LowerInputs {
        file: "Dockerfile".to_owned(),
        text: text.to_owned(),
        target: None,
        platforms: PLATFORMS
            .iter()
            .map(|platform| platform.parse().unwrap())
            .collect(),
        build_platform: "linux/amd64".parse().unwrap(),
        build_args: BTreeMap::new(),
        labels: BTreeMap::new(),
        network: RunNetwork::Host,
        main_context: "context".to_owned(),
        named_contexts: std::collections::BTreeSet::new(),
        images: BTreeMap::new(),
    }
}

/// Lowers, giving every image that is asked for: one layer named after the image and its platform, and this config.
pub(crate) fn lower_with(
    inputs: &mut LowerInputs,
    config: &ImageConfig,
) -> Result<(Graph, Vec<Finding>), Vec<Finding>> {
    let (dockerfile, findings) = Dockerfile::parse(&inputs.text);
    assert_eq!(findings, [], "the test's Dockerfile is read without findings");
    loop {
        match lower(&dockerfile, inputs)? {
            Lowered::Ready { graph, findings } => return Ok((graph, findings)),
            Lowered::Needs(images) => {
                for (image, _) in images {
                    if inputs.named_contexts.contains(&image.name) {
                        let context = image.name.clone();
                        inputs.images.insert(image, Resolved::Directory { context });
                        continue;
                    }
                    let platform = image.platform.clone();
                    let mut config = config.clone();
                    config.os.clone_from(&platform.os);
                    config.architecture.clone_from(&platform.architecture);
                    config.variant.clone_from(&platform.variant);
                    let mut graph = Graph::default();
                    let op = Op::Image(ImageOp {
                        name: image.name.clone(),
                        manifest: None,
                        layers: Vec::new(),
                        diff_ids: vec![DiffId(Digest::of(format!("{} {platform}", image.name)))],
                    });
                    let step = Step {
                        op,
                        inputs: Vec::new(),
                        label: StepLabel::default(),
                    };
                    let root = Some(graph.add(step, &platform));
                    inputs.images.insert(
                        image,
                        Resolved::Image {
                            config: Box::new(config),
                            graph,
                            root,
                        },
                    );
                }
            }
        }
    }
}

/// Shows the steps in order: for which platforms, which stage, what.
fn check(text: &str, expected: Expect) {
    check_inputs(&mut inputs(text), &ImageConfig::default(), expected);
}

/// Shows the steps, for these inputs and this config of all images.
fn check_inputs(inputs: &mut LowerInputs, base: &ImageConfig, expected: Expect) {
    let (graph, _) = lower_with(inputs, base).unwrap();
    let mut shown = String::new();
    for id in &graph.order {
        let label = &graph.step(*id).label;
        let platforms: Vec<String> = label.platforms.iter().map(ToString::to_string).collect();
        let line = label.place.as_ref().map_or(0, |place| place.line);
        writeln!(
            shown,
            "{} | {line} {} {}/{} {}",
            platforms.join(" "),
            label.stage,
            label.position,
            label.total,
            label.instruction
        )
        .unwrap();
    }
    expected.assert_eq(&shown);
}

/// Shows the findings of a Dockerfile that cannot be lowered.
fn check_errors(text: &str, expected: Expect) {
    let findings = lower_with(&mut inputs(text), &ImageConfig::default()).expect_err("it cannot be lowered");
    expected.assert_eq(&shown_findings(&findings));
}

/// One line a finding, and one for its advice.
pub(crate) fn shown_findings(findings: &[Finding]) -> String {
    let mut shown = String::new();
    for finding in findings {
        let line = finding.place.as_ref().map_or(0, |place| place.line);
        writeln!(shown, "{line}: {}: {}", finding.rule, finding.message).unwrap();
        if let Some(advice) = &finding.advice {
            writeln!(shown, "   {advice}").unwrap();
        }
    }
    shown
}

/// Returns the last step of the first platform.
fn last_op(text: &str) -> Op {
    let (graph, _) = lower_with(&mut inputs(text), &ImageConfig::default()).unwrap();
    graph.step(graph.images[0].root.unwrap()).op.clone()
}

/// Shows the config of the first platform's image.
fn check_config(text: &str, base: &ImageConfig, expected: Expect) {
    let (graph, _) = lower_with(&mut inputs(text), base).unwrap();
    let config = serde_json::to_string_pretty(&graph.images[0].config.config).unwrap();
    let history: Vec<&str> = graph.images[0]
        .history
        .iter()
        .map(|entry| entry.created_by.as_str())
        .collect();
    expected.assert_eq(&format!("{config}\n{}\n", history.join("\n")));
}
