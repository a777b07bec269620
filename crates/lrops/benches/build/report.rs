//! Tables for `docs/performance.md`, and what the figures say about the targets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::meter::Figures;
use crate::options::Program;

/// What a program is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scene {
    /// All platforms, from nothing.
    Cold,
    /// Nothing has changed.
    Warm,
    /// One line of the server.
    GoLine,
    /// One line of the page.
    UiLine,
    /// So many platforms, when one less was built before.
    Platforms(usize),
}

impl Scene {
    fn name(&self) -> String {
        match self {
            Self::Cold => "cold".to_owned(),
            Self::Warm => "warm".to_owned(),
            Self::GoLine => "one Go line".to_owned(),
            Self::UiLine => "one UI line".to_owned(),
            Self::Platforms(1) => "1 platform, cold".to_owned(),
            Self::Platforms(number) => format!("then {number} platforms"),
        }
    }
}

/// All measurements of one example.
#[derive(Default)]
pub(crate) struct Results {
    figures: BTreeMap<(Scene, Program), Vec<Figures>>,
    stored: BTreeMap<(Scene, Program), Vec<u64>>,
}

impl Results {
    /// Adds a measurement, and what was stored since the program began with nothing.
    pub(crate) fn add(&mut self, scene: Scene, program: Program, figures: Figures, stored: u64) {
        eprintln!(
            "{:<16} {:<8} {} s",
            scene.name(),
            program.name(),
            seconds(figures.wall)
        );
        let key = (scene, program);
        self.figures.entry(key.clone()).or_default().push(figures);
        self.stored.entry(key).or_default().push(stored);
    }

    /// Returns the table of all medians; nothing when nothing was measured.
    pub(crate) fn table(&self) -> String {
        if self.figures.is_empty() {
            return String::new();
        }
        let mut table =
            "| | program | wall s | range | processor s | peak memory MiB | stored MB | times |\n\
                         |---|---|---:|---|---:|---:|---:|---:|\n"
                .to_owned();
        for ((scene, program), all) in &self.figures {
            let walls: Vec<f64> = all.iter().map(|figures| figures.wall.as_secs_f64()).collect();
            let range = walls.iter().fold((f64::MAX, f64::MIN), |(low, high), wall| {
                (low.min(*wall), high.max(*wall))
            });
            let _ = writeln!(
                table,
                "| {} | {} | {:.3} | {:.3}–{:.3} | {:.2} | {:.0} | {:.0} | {} |",
                scene.name(),
                program.name(),
                median(walls.iter().copied()),
                range.0,
                range.1,
                median(all.iter().map(|figures| figures.processor.as_secs_f64())),
                median(
                    all.iter()
                        .map(|figures| in_millions(figures.memory_kib) * 1e6 / 1024.0)
                ),
                median(
                    self.stored[&(scene.clone(), *program)]
                        .iter()
                        .map(|bytes| in_millions(*bytes))
                ),
                all.len(),
            );
        }
        table
    }

    /// Returns what the figures say about each target that can be judged by them.
    pub(crate) fn targets(&self) -> String {
        let mut text = String::new();
        if let (Some(lrops), Some(buildx)) = (
            self.wall(Scene::Warm, Program::Lrops),
            self.wall(Scene::Warm, Program::Buildx),
        ) {
            judge(&mut text, "warm, lrops to buildx", lrops / buildx, 0.1, "");
        }
        if let (Some(bare), Some(lrops)) = (
            self.wall(Scene::Cold, Program::Bare),
            self.wall(Scene::Cold, Program::Lrops),
        ) {
            let added = lrops - bare;
            judge(
                &mut text,
                "cold, what lrops adds to the bare commands, to the whole",
                added / lrops,
                0.1,
                "",
            );
            if let Some(buildx) = self.wall(Scene::Cold, Program::Buildx) {
                let title = "cold, what lrops adds to what buildx adds";
                // Where buildx adds nothing, a ratio says nothing.
                if buildx > bare {
                    judge(&mut text, title, added / (buildx - bare), 0.5, "");
                } else {
                    let _ = writeln!(
                        text,
                        "- {title}: buildx was {:.3} s faster than the bare commands",
                        bare - buildx
                    );
                }
            }
        }
        for (scene, title) in [(Scene::GoLine, "one Go line"), (Scene::UiLine, "one UI line")] {
            if let (Some(bare), Some(lrops)) = (
                self.wall(scene.clone(), Program::Bare),
                self.wall(scene, Program::Lrops),
            ) {
                let title = format!("{title}, what lrops adds to the bare commands");
                judge(&mut text, &title, (lrops - bare) * 1000.0, 150.0, " ms");
            }
        }
        text
    }

    fn wall(&self, scene: Scene, program: Program) -> Option<f64> {
        let all = self.figures.get(&(scene, program))?;
        Some(median(all.iter().map(|figures| figures.wall.as_secs_f64())))
    }
}

fn judge(text: &mut String, title: &str, value: f64, most: f64, unit: &str) {
    let digits = if unit.is_empty() { 3 } else { 0 };
    let verdict = if value <= most { "reached" } else { "missed" };
    let _ = writeln!(
        text,
        "- {title}: {value:.digits$}{unit} (at most {most}{unit}): {verdict}"
    );
}

/// Returns seconds as tables show them.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn in_millions(number: u64) -> f64 {
    number as f64 / 1e6
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], values[middle])
    } else {
        values[middle]
    }
}
