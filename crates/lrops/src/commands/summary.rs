//! What is said after a build: one row a platform, and how it came about.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use lrops_model::oci::Descriptor;
use lrops_model::reference::Reference;

use super::publishing::Published;
use crate::amounts;
use crate::image::Row;
use crate::progress::Tally;
use crate::request::EngineChoice;
use crate::style::{HEAD, painted};
use crate::table::{Align, Table};

/// What a build came to.
pub(super) struct Summary<'a> {
    pub(super) root: &'a Descriptor,
    pub(super) rows: &'a [Row],
    pub(super) tags: &'a [Reference],
    /// The store, when the image is there.
    pub(super) store: Option<&'a Path>,
    pub(super) engine: &'a EngineChoice,
    pub(super) places: &'a [String],
    pub(super) tally: &'a Tally,
    pub(super) programs: usize,
    pub(super) published: Option<&'a Published>,
    pub(super) elapsed: Duration,
}

/// Returns the summary as text.
pub(super) fn summary(summary: &Summary<'_>) -> String {
    let mut text = format!("\n{}\n", platform_table(summary.rows));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{} {value}", painted(HEAD, &format!("{name:<9}")));
    };
    line("index", &summary.root.digest.to_string());
    let names: Vec<String> = summary.tags.iter().map(Reference::familiar).collect();
    let names = if names.is_empty() {
        "without a name".to_owned()
    } else {
        format!("as {}", names.join(", "))
    };
    if let Some(store) = summary.store {
        line("stored", &format!("{names}, in {}", store.display()));
    }
    line(
        "engine",
        &format!("{}: {}", summary.engine.name(), summary.engine.reason),
    );
    for place in summary.places {
        line("written", place);
    }
    for (name, value) in steps(summary) {
        line(name, &value);
    }
    let programs = amounts::count(summary.programs, "program");
    line(
        "verified",
        &format!("{}, {programs}", amounts::count(summary.rows.len(), "platform")),
    );
    for published in summary
        .published
        .iter()
        .flat_map(|published| published.in_words())
    {
        line("pushed", &published);
    }
    if summary.tally.warnings > 0 {
        line("warnings", &summary.tally.warnings.to_string());
    }
    line("took", &amounts::seconds(summary.elapsed.as_secs_f64()));
    text.truncate(text.trim_end().len());
    text
}

fn platform_table(rows: &[Row]) -> Table {
    let heads = [
        ("platform", Align::Left),
        ("manifest", Align::Left),
        ("size", Align::Right),
        ("layers", Align::Right),
    ];
    let mut table = Table::new(&heads);
    for row in rows {
        let cells = [
            row.platform.to_string(),
            row.digest.to_string(),
            amounts::size(row.size),
            row.layers.to_string(),
        ];
        table.row(cells.into());
    }
    table
}

fn steps(summary: &Summary<'_>) -> Vec<(&'static str, String)> {
    let tally = summary.tally;
    let mut lines = vec![(
        "steps",
        format!(
            "{}: {} done, {} cached",
            tally.done + tally.cached,
            tally.done,
            tally.cached
        ),
    )];
    if summary.rows.len() > 1 && tally.shared > 0 {
        let stages: Vec<&str> = tally
            .shared_stages
            .iter()
            .map(String::as_str)
            .filter(|name| !name.is_empty())
            .collect();
        let stages = if stages.is_empty() {
            String::new()
        } else {
            format!(" ({})", stages.join(", "))
        };
        lines.push((
            "once",
            format!(
                "{} for several platforms{stages}",
                amounts::count(tally.shared, "step")
            ),
        ));
    }
    lines.push(match tally.emulated {
        0 => ("emulated", "none".to_owned()),
        number => ("emulated", amounts::count(number as usize, "step")),
    });
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use expect_test::expect;
    use lrops_model::digest::Digest;
    use lrops_model::oci::{Manifest, MediaType};

    use super::*;
    use crate::arguments::EngineName;

    fn row(platform: &str) -> Row {
        let config = Descriptor::of(MediaType::OCI_CONFIG, b"config");
        let manifest = Manifest {
            schema_version: 2,
            media_type: None,
            config,
            layers: vec![],
            annotations: BTreeMap::default(),
        };
        Row {
            platform: platform.parse().unwrap(),
            digest: Digest::of(platform),
            config: Digest::of("config"),
            size: 12_345_678,
            layers: 4,
            manifest,
        }
    }

    #[test]
    fn one_row_a_platform_and_how_it_came_about() {
        let mut tally = Tally::default();
        (tally.done, tally.cached, tally.shared) = (9, 5, 6);
        tally.shared_stages.insert("ui".to_owned());
        let text = summary(&Summary {
            root: &Descriptor::of(MediaType::OCI_INDEX, b"index"),
            rows: &[row("linux/amd64"), row("linux/arm/v7")],
            tags: &["hello:demo".parse().unwrap()],
            store: Some(Path::new("/store")),
            engine: &EngineChoice {
                engine: EngineName::Embedded,
                reason: "nothing else is configured".to_owned(),
            },
            places: &["out/hello (OCI layout)".to_owned()],
            published: None,
            tally: &tally,
            programs: 45,
            elapsed: Duration::from_millis(12_340),
        });
        expect![[r"

            platform      manifest                                                                    size  layers
            linux/amd64   sha256:baf0239e48ff4c47ebac3ba02b5cf1506b69cd5a0c0d0c825a53ba65976fb942  12.3 MB       4
            linux/arm/v7  sha256:35df9beb9b1c4fe630707bc51e4360b94b506b4e6d5372d5d0d52a385350621b  12.3 MB       4

            index     sha256:1bc04b5291c26a46d918139138b992d2de976d6851d0893b0476b85bfbdfc6e6
            stored    as hello:demo, in /store
            engine    embedded: nothing else is configured
            written   out/hello (OCI layout)
            steps     14: 9 done, 5 cached
            once      6 steps for several platforms (ui)
            emulated  none
            verified  2 platforms, 45 programs
            took      12.3s"]]
        .assert_eq(&anstream::adapter::strip_str(&text).to_string());
    }
}
