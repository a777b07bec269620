//! A scripted build, shown by the renderers.

use std::sync::{Arc, Mutex};

use expect_test::{Expect, expect};
use lrops_model::event::{OutputStream, StepName, StepOutcome};
use lrops_model::finding::{Finding, Place};
use lrops_model::graph::StepLabel;

use super::*;

/// Keeps what is written.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn started(
    step: u32,
    stage: &str,
    instruction: &str,
    stage_platform: &str,
    platforms: &[&str],
) -> BuildEvent {
    let label = StepLabel {
        stage: stage.to_owned(),
        position: step,
        total: 4,
        instruction: instruction.to_owned(),
        platforms: platforms
            .iter()
            .map(|platform| platform.parse().unwrap())
            .collect(),
        stage_platform: Some(stage_platform.parse().unwrap()),
        ..StepLabel::default()
    };
    BuildEvent::Started {
        step: StepNumber(step),
        name: StepName::Step(label),
    }
}

fn output(step: u32, text: &str) -> BuildEvent {
    BuildEvent::Output {
        step: StepNumber(step),
        stream: OutputStream::Stdout,
        text: text.to_owned(),
    }
}

fn finished(step: u32, outcome: StepOutcome) -> BuildEvent {
    BuildEvent::Finished {
        step: StepNumber(step),
        outcome,
        seconds: 1.25,
    }
}

fn script() -> Vec<(u64, BuildEvent)> {
    let (amd64, arm64) = ("linux/amd64", "linux/arm64");
    let warning = Finding::warning("EmulatedRun", "this RUN runs linux/arm64 programs on linux/amd64")
        .at(Place { span: 0..3, line: 7 })
        .advise("cross-compile");
    vec![
        (
            0,
            BuildEvent::Planned {
                steps: 4,
                shared: 1,
                emulated: 1,
            },
        ),
        (0, BuildEvent::Found { finding: warning }),
        (
            10,
            BuildEvent::Started {
                step: StepNumber(1),
                name: StepName::Activity("[node linux/amd64] resolving".into()),
            },
        ),
        (
            1200,
            BuildEvent::Progress {
                step: StepNumber(1),
                what: "fetching".into(),
                current: 1_000_000,
                total: Some(5_000_000),
            },
        ),
        (
            1300,
            BuildEvent::Progress {
                step: StepNumber(1),
                what: "fetching".into(),
                current: 2_000_000,
                total: Some(5_000_000),
            },
        ),
        (1400, finished(1, StepOutcome::Done)),
        (1400, started(2, "ui", "RUN npm ci", amd64, &[amd64, arm64])),
        (1500, output(2, "added 3 pack")),
        (
            1500,
            started(3, "server", "RUN go build\n  ./...", amd64, &[arm64]),
        ),
        (1623, output(2, "ages\nfound 0 vulnerabilities\n")),
        (1700, output(3, "10 %\r100 %\r\nno line end")),
        (2650, finished(2, StepOutcome::Done)),
        (2700, started(4, "server", "RUN go vet", amd64, &[amd64])),
        (2700, finished(4, StepOutcome::Cached)),
        (
            2800,
            finished(
                3,
                StepOutcome::Failed {
                    reason: "exit code: 1".into(),
                },
            ),
        ),
    ]
}

#[expect(clippy::needless_pass_by_value, reason = "expect! gives a value")]
fn check(renderer: impl FnOnce(Paper) -> Box<dyn Renderer>, expected: Expect) {
    let paper = Paper::default();
    let mut renderer = renderer(paper.clone());
    for (at, event) in script() {
        renderer.event(&event, Duration::from_millis(at));
    }
    renderer.finish();
    let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    expected.assert_eq(&text);
}

#[test]
fn plain_lines_are_as_users_of_buildkit_know_them() {
    check(
        |paper| Box::new(plain::Plain::new(paper, 2)),
        expect![[r"
        warning: EmulatedRun: this RUN runs linux/arm64 programs on linux/amd64 (line 7)
          cross-compile

        #1 [node linux/amd64] resolving
        #1 fetching 1.00 MB / 5.00 MB
        #1 DONE 1.2s

        #2 [ui 2/4 · once for linux/amd64, linux/arm64] RUN npm ci

        #3 [linux/amd64->arm64 server 3/4] RUN go build ./...
        #2 0.223 added 3 packages
        #2 0.223 found 0 vulnerabilities
        #3 0.200 100 %
        #2 DONE 1.2s

        #4 [linux/amd64 server 4/4] RUN go vet
        #4 CACHED
        #3 1.300 no line end
        #3 ERROR: exit code: 1
    "]],
    );
}

#[test]
fn raw_json_is_one_event_a_line() {
    check(
        |paper| Box::new(raw_json::RawJson::new(paper)),
        expect![[r#"
        {"at":0.0,"event":"planned","steps":4,"shared":1,"emulated":1}
        {"at":0.0,"event":"found","finding":{"rule":"EmulatedRun","severity":"warning","message":"this RUN runs linux/arm64 programs on linux/amd64","place":{"span":{"start":0,"end":3},"line":7},"advice":"cross-compile"}}
        {"at":0.01,"event":"started","step":1,"name":{"activity":"[node linux/amd64] resolving"}}
        {"at":1.2,"event":"progress","step":1,"what":"fetching","current":1000000,"total":5000000}
        {"at":1.3,"event":"progress","step":1,"what":"fetching","current":2000000,"total":5000000}
        {"at":1.4,"event":"finished","step":1,"outcome":"done","seconds":1.25}
        {"at":1.4,"event":"started","step":2,"name":{"step":{"stage":"ui","position":2,"total":4,"instruction":"RUN npm ci","file":"","place":null,"platforms":["linux/amd64","linux/arm64"],"stage_platform":"linux/amd64"}}}
        {"at":1.5,"event":"output","step":2,"stream":"stdout","text":"added 3 pack"}
        {"at":1.5,"event":"started","step":3,"name":{"step":{"stage":"server","position":3,"total":4,"instruction":"RUN go build\n  ./...","file":"","place":null,"platforms":["linux/arm64"],"stage_platform":"linux/amd64"}}}
        {"at":1.623,"event":"output","step":2,"stream":"stdout","text":"ages\nfound 0 vulnerabilities\n"}
        {"at":1.7,"event":"output","step":3,"stream":"stdout","text":"10 %\r100 %\r\nno line end"}
        {"at":2.65,"event":"finished","step":2,"outcome":"done","seconds":1.25}
        {"at":2.7,"event":"started","step":4,"name":{"step":{"stage":"server","position":4,"total":4,"instruction":"RUN go vet","file":"","place":null,"platforms":["linux/amd64"],"stage_platform":"linux/amd64"}}}
        {"at":2.7,"event":"finished","step":4,"outcome":"cached","seconds":1.25}
        {"at":2.8,"event":"finished","step":3,"outcome":{"failed":{"reason":"exit code: 1"}},"seconds":1.25}
    "#]],
    );
}

#[test]
fn steps_are_counted_for_the_summary() {
    let mut tally = Tally::default();
    for (_, event) in script() {
        tally.event(&event);
    }
    assert_eq!(
        (
            tally.done,
            tally.cached,
            tally.shared,
            tally.emulated,
            tally.warnings
        ),
        (1, 1, 1, 1, 1)
    );
    assert_eq!(
        (tally.shared_stages.into_iter().collect::<Vec<_>>(), tally.highest),
        (vec!["ui".to_owned()], 4)
    );
}

#[test]
fn a_label_says_what_runs_where_and_for_whom() {
    let title = |event: BuildEvent, platforms| match event {
        BuildEvent::Started { name, .. } => label::title(&name, platforms),
        _ => unreachable!("a step was started"),
    };
    let (amd64, arm64, arm) = ("linux/amd64", "linux/arm64", "linux/arm/v7");
    assert_eq!(
        title(started(2, "build", "RUN x", amd64, &[amd64]), 1),
        "[build 2/4] RUN x"
    );
    assert_eq!(
        title(started(2, "build", "RUN x", arm64, &[arm64]), 2),
        "[linux/arm64 build 2/4] RUN x"
    );
    assert_eq!(
        title(started(2, "build", "RUN x", amd64, &[arm]), 2),
        "[linux/amd64->arm/v7 build 2/4] RUN x"
    );
    assert_eq!(
        title(started(2, "ui", "RUN x", amd64, &[amd64, arm64]), 3),
        "[ui 2/4 · once for linux/amd64, linux/arm64] RUN x"
    );
    assert_eq!(
        title(
            started(2, "ui", "RUN x", amd64, &[amd64, arm64, arm, "linux/386"]),
            4
        ),
        "[ui 2/4 · once for all 4 platforms] RUN x"
    );
}
