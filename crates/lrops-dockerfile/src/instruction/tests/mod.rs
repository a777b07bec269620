//! What each instruction means, and what is said of those that mean nothing.

#![expect(
    clippy::needless_pass_by_value,
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes expectations so, and `check` reads best with them by value"
)]

mod mistakes;
mod mounts;

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use lrops_model::finding::Finding;
use proptest::prelude::*;

use super::{
    CommandLine, Dockerfile, HealthcheckProbe, HealthcheckTest, Instruction, Run, Source, parse_trigger,
};
use crate::syntax::{LineIndex, Pair, Position, Word};

/// Checks what the lines mean inside a stage.
fn check(lines: &str, expected: Expect) {
    check_file(&format!("FROM scratch\n{lines}"), expected);
}

fn check_file(source: &str, expected: Expect) {
    let (dockerfile, findings) = Dockerfile::parse(source);
    let mut out = String::new();
    for arg in dockerfile.global_args {
        writeln!(out, "global {}", shown(&Instruction::Arg(arg))).unwrap();
    }
    for stage in &dockerfile.stages {
        let from = &stage.from;
        write!(out, "stage {} from {:?}", stage.index, from.image.text).unwrap();
        if let Some(name) = &stage.name {
            write!(out, " name {name:?}").unwrap();
        }
        if let Some(platform) = &from.platform {
            write!(out, " platform {:?}", platform.text).unwrap();
        }
        if let Some(description) = &stage.description {
            write!(out, " description {description:?}").unwrap();
        }
        out.push('\n');
        for instruction in &stage.instructions {
            writeln!(out, "- {}", shown(instruction)).unwrap();
        }
    }
    for finding in &findings {
        writeln!(out, "{}", shown_finding(source, finding)).unwrap();
    }
    expected.assert_eq(out.strip_prefix("stage 0 from \"scratch\"\n").unwrap_or(&out));
}

fn shown_finding(source: &str, finding: &Finding) -> String {
    let span = finding.place.clone().unwrap().span;
    let Position { line, column } = LineIndex::new(source).position(span.start);
    let advice = finding
        .advice
        .as_ref()
        .map(|advice| format!(" ({advice})"))
        .unwrap_or_default();
    format!(
        "{line}:{column} {:?} {}: {}{advice}",
        finding.severity, finding.rule, finding.message
    )
}

fn shown(instruction: &Instruction) -> String {
    let name = &instruction.origin().keyword;
    let rest = match instruction {
        Instruction::Add(add) => format!(
            "{} to {:?} chown {:?} chmod {:?} checksum {:?} link {} keep-git {:?} unpack {:?} exclude {:?}",
            sources(&add.sources),
            add.destination.text,
            one(add.chown.as_ref()),
            one(add.chmod.as_ref()),
            one(add.checksum.as_ref()),
            add.link,
            add.keep_git_directory,
            add.unpack,
            all(&add.excludes),
        ),
        Instruction::Copy(copy) => format!(
            "{} to {:?} from {:?} chown {:?} chmod {:?} link {} parents {} exclude {:?}",
            sources(&copy.sources),
            copy.destination.text,
            one(copy.from.as_ref()),
            one(copy.chown.as_ref()),
            one(copy.chmod.as_ref()),
            copy.link,
            copy.parents,
            all(&copy.excludes),
        ),
        Instruction::Arg(arg) => arg.definitions.iter().fold(String::new(), |out, arg| {
            format!(
                "{out}{:?}={:?} {:?} ",
                arg.name.text,
                one(arg.value.as_ref()),
                arg.description
            )
        }),
        Instruction::Cmd(cmd) => command(&cmd.command),
        Instruction::Entrypoint(entrypoint) => command(&entrypoint.command),
        Instruction::Env(env) => pairs(&env.pairs),
        Instruction::Label(label) => pairs(&label.pairs),
        Instruction::Expose(expose) => format!("{:?}", all(&expose.ports)),
        Instruction::Healthcheck(healthcheck) => match &healthcheck.test {
            HealthcheckTest::Disabled => "disabled".to_owned(),
            HealthcheckTest::Probe(probe) => shown_probe(probe),
        },
        Instruction::Maintainer(maintainer) => format!("{:?}", maintainer.name.text),
        Instruction::Onbuild(onbuild) => format!("{:?}", onbuild.trigger),
        Instruction::Run(run) => shown_run(run),
        Instruction::Shell(shell) => format!("{:?}", all(&shell.words)),
        Instruction::StopSignal(stop_signal) => format!("{:?}", stop_signal.signal.text),
        Instruction::User(user) => format!("{:?}", user.user.text),
        Instruction::Volume(volume) => format!("{:?}", all(&volume.paths)),
        Instruction::Workdir(workdir) => format!("{:?}", workdir.path.text),
    };
    format!("{name} {rest}")
}

fn shown_probe(probe: &HealthcheckProbe) -> String {
    let HealthcheckProbe {
        interval,
        timeout,
        start_period,
        start_interval,
        retries,
        ..
    } = probe;
    let command = command(&probe.command);
    format!(
        "{command} every {interval:?} within {timeout:?} start {start_period:?} every {start_interval:?} retries {retries}"
    )
}

fn shown_run(run: &Run) -> String {
    let mounts: Vec<&str> = run.mounts.iter().map(|mount| mount.text.as_str()).collect();
    let heredocs: Vec<&str> = run
        .heredocs
        .iter()
        .map(|heredoc| heredoc.content.as_str())
        .collect();
    let Run {
        network,
        security,
        devices,
        ..
    } = run;
    let command = command(&run.command);
    format!(
        "{command} heredocs {heredocs:?} mounts {mounts:?} network {network:?} security {security:?} devices {devices:?}"
    )
}

fn one(word: Option<&Word>) -> Option<&str> {
    word.map(Word::as_str)
}

fn all(words: &[Word]) -> Vec<&str> {
    words.iter().map(Word::as_str).collect()
}

fn command(line: &CommandLine) -> String {
    let form = if matches!(line, CommandLine::Exec(_)) {
        "exec"
    } else {
        "shell"
    };
    format!("{form} {:?}", line.words())
}

fn pairs(pairs: &[Pair]) -> String {
    let shown = pairs
        .iter()
        .map(|pair| format!("{:?}={:?}", pair.name.text, pair.value.text));
    shown.collect::<Vec<_>>().join(" ")
}

fn sources(sources: &[Source]) -> String {
    let shown = sources.iter().map(|source| match source {
        Source::Path(path) => format!("{:?}", path.text),
        Source::Inline(file) => format!("<{} expand {} {:?}>", file.name, file.expand, file.content),
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
fn stages_have_names_numbers_and_descriptions() {
    check_file(
        "# BASE the image\nARG BASE=a TAG\n# build makes it\nFROM --platform=$BUILDPLATFORM $BASE AS Build\nARG TAG\n\
         from build\nFROM scratch as x-1_.y\n",
        expect![[r#"
            global ARG "BASE"=Some("a") Some("the image") "TAG"=None None 
            stage 0 from "$BASE" name "build" platform "$BUILDPLATFORM" description "makes it"
            - ARG "TAG"=None None 
            stage 1 from "build"
            stage 2 from "scratch" name "x-1_.y"
        "#]],
    );
}

#[test]
fn copies_have_sources_a_destination_and_flags() {
    check(
        "COPY a $b c/\nCOPY --from=x --chown=1:2 --chmod=0755 --link --parents=false --exclude=*.md --exclude=a [\"a b\", \"/c\"]\n\
         COPY <<a <<-'b' c /d/\n$x\na\n\t\ty\nb\nCOPY --from= --chown= a b\n",
        expect![[r#"
            - COPY "a" "$b" to "c/" from None chown None chmod None link false parents false exclude []
            - COPY "a b" to "/c" from Some("x") chown Some("1:2") chmod Some("0755") link true parents false exclude ["*.md", "a"]
            - COPY <a expand true "$x\n"> <b expand false "y\n"> "c" to "/d/" from None chown None chmod None link false parents false exclude []
            - COPY "a" to "b" from None chown None chmod None link false parents false exclude []
        "#]],
    );
    check(
        "COPY a <<E\nE\n",
        expect![[r#"
        2:8 Error InvalidHeredoc: COPY cannot accept a heredoc as a destination
    "#]],
    );
}

#[test]
fn additions_have_flags_of_their_own() {
    check(
        "ADD --checksum=sha256:0 --keep-git-dir --unpack=false --link=TRUE --chmod=1 https://x/y <<z /\n1\nz\n",
        expect![[r#"
            - ADD "https://x/y" <z expand true "1\n"> to "/" chown None chmod Some("1") checksum Some("sha256:0") link true keep-git Some(true) unpack Some(false) exclude []
        "#]],
    );
}

#[test]
fn commands_have_two_forms() {
    check(
        "RUN a && b\nRUN [\"a\", \"b c\"]\nRUN\nCMD\nCMD []\nENTRYPOINT x $y\nENTRYPOINT [\"x\"]\nSHELL [\"/bin/bash\", \"-c\"]\n",
        expect![[r#"
            - RUN shell ["a && b"] heredocs [] mounts [] network None security Sandbox devices []
            - RUN exec ["a", "b c"] heredocs [] mounts [] network None security Sandbox devices []
            - RUN shell [] heredocs [] mounts [] network None security Sandbox devices []
            - CMD shell []
            - CMD exec []
            - ENTRYPOINT shell ["x $y"]
            - ENTRYPOINT exec ["x"]
            - SHELL ["/bin/bash", "-c"]
        "#]],
    );
}

#[test]
fn runs_have_flags() {
    check(
        "RUN --mount=type=cache,target=/x --mount=from=a,target=/y --network=none --security=insecure \
         --device=vendor/class=all,required <<E sh\necho\nE\n",
        expect![[r#"
            - RUN shell ["<<E sh"] heredocs ["echo\n"] mounts ["type=cache,target=/x", "from=a,target=/y"] network Some(None) security Insecure devices [Device { name: "vendor/class=all", required: true }]
        "#]],
    );
    check(
        "RUN --network=x --security= --device=a,b=c,requierd=1 --mount=from=$x,target=/a --mount='a\"b' true\n",
        expect![[r#"
            2:15 Error InvalidFlag: invalid network mode "x" (it is default, none or host)
            2:28 Error InvalidFlag: security "" is not valid (it is sandbox or insecure)
            2:38 Error InvalidDevice: unexpected key 'b' in 'b=c'
            2:63 Error InvalidMount: 'from' doesn't support variable expansion, define alias stage instead
            2:81 Error InvalidMount: failed to parse csv mounts: bare " in non-quoted field
        "#]],
    );
}

#[test]
fn healthchecks_have_times() {
    check(
        "HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=0 --start-interval=5ms --retries=3 CMD a b\nhealthcheck none\n",
        expect![[r#"
            - HEALTHCHECK shell ["a b"] every 90s within 1.5s start 0ns every 5ms retries 3
            - healthcheck disabled
        "#]],
    );
    check(
        "HEALTHCHECK --interval=5 CMD a\nHEALTHCHECK --timeout=1us CMD a\nHEALTHCHECK --timeout=-1s CMD a\n\
         HEALTHCHECK --interval=1d CMD a\nHEALTHCHECK --interval=x CMD a\nHEALTHCHECK --interval=9999999h CMD a\n\
         HEALTHCHECK --retries=-1 CMD a\nHEALTHCHECK --retries=a CMD a\nHEALTHCHECK CMD\nHEALTHCHECK a\nHEALTHCHECK NONE a\n",
        expect![[r#"
            2:24 Error InvalidHealthcheck: time: missing unit in duration "5"
            3:23 Error InvalidHealthcheck: Interval "timeout" cannot be less than 1ms
            4:23 Error InvalidHealthcheck: Interval "timeout" cannot be less than 1ms
            5:24 Error InvalidHealthcheck: time: unknown unit "d" in duration "1d"
            6:24 Error InvalidHealthcheck: time: invalid duration "x"
            7:24 Error InvalidHealthcheck: time: invalid duration "9999999h"
            8:23 Error InvalidHealthcheck: --retries cannot be negative (-1)
            9:23 Error InvalidHealthcheck: invalid value "a" for --retries: it must be a number
            10:13 Error InvalidHealthcheck: Missing command after HEALTHCHECK CMD
            11:13 Error InvalidHealthcheck: Unknown type "A" in HEALTHCHECK (try CMD)
            12:1 Error InvalidArguments: HEALTHCHECK NONE takes no arguments
        "#]],
    );
}

#[test]
fn the_rest_of_the_config_is_read() {
    check(
        "ENV a=\"b c\" d=$e\nENV f g h\nLABEL x.y=z\nARG n m=\"o\"\nEXPOSE 90 80/tcp 100-110/udp\nVOLUME /a /b\nVOLUME [\" /c \"]\n\
         USER a:b\nWORKDIR /a b\nSTOPSIGNAL SIGKILL\nMAINTAINER A <b@c>\n",
        expect![[r#"
            - ENV "a"="\"b c\"" "d"="$e"
            - ENV "f"="g h"
            - LABEL "x.y"="z"
            - ARG "n"=None None "m"=Some("\"o\"") None 
            - EXPOSE ["100-110/udp", "80/tcp", "90"]
            - VOLUME ["/a", "/b"]
            - VOLUME ["/c"]
            - USER "a:b"
            - WORKDIR "/a b"
            - STOPSIGNAL "SIGKILL"
            - MAINTAINER "A <b@c>"
        "#]],
    );
}

#[test]
fn triggers_are_kept_on_one_line_with_their_heredocs() {
    check(
        "ONBUILD  RUN a \\\n  b\n onbuild COPY <<E /\n$x\nE\nONBUILD RUN <<-A <<B\n\ta\n\tA\nb\nB\n",
        expect![[r#"
            - ONBUILD "RUN a   b"
            - onbuild "COPY <<E /\n$x\nE"
            - ONBUILD "RUN <<-A <<B\n\ta\nA\nb\nB"
        "#]],
    );
}

#[test]
fn triggers_of_base_images_are_instructions() {
    let read = |text| match parse_trigger(text) {
        Ok(instruction) => shown(&instruction),
        Err(finding) => shown_finding(text, &finding),
    };
    let cases = [
        "COPY . /src",
        "RUN <<E\na\nE",
        "FROM x",
        "onbuild RUN x",
        "MAINTAINER x",
        "",
        "RUN a\nRUN b",
        "COPPY a b",
        "ENV x",
        "COPY --x a b",
    ];
    expect![[r#"
        COPY "." to "/src" from None chown None chmod None link false parents false exclude []
        RUN shell ["<<E"] heredocs ["a\n"] mounts [] network None security Sandbox devices []
        1:1 Error InvalidTrigger: FROM isn't allowed as an ONBUILD trigger
        1:1 Error InvalidTrigger: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed
        1:1 Error InvalidTrigger: MAINTAINER isn't allowed as an ONBUILD trigger
        1:1 Error NoInstructions: file with no instructions
        1:1 Error InvalidTrigger: onbuild trigger should be a single expression
        1:1 Error UnknownInstruction: unknown instruction: COPPY (did you mean COPY?)
        1:5 Error InvalidArguments: ENV must have two arguments (write ENV name=value)
        1:6 Error UnknownFlag: unknown flag: --x"#]]
    .assert_eq(&cases.map(read).join("\n"));
}

proptest! {
    #[test]
    fn reading_never_panics(source in "((FROM|RUN|COPY|ADD|ENV|ARG|ONBUILD|HEALTHCHECK|VOLUME|SHELL|CMD)?( |\n|=|,|\"|\\[|\\]|<<E|--mount=|--interval=|type=cache|required|[0-9.]{1,3}[hms]|\\$\\{|é|a|\\\\|\\PC)){0,30}") {
        let (_, findings) = Dockerfile::parse(&source);
        for finding in findings {
            prop_assert!(source.get(finding.place.unwrap().span).is_some());
        }
        let _ = parse_trigger(&source).map(|instruction| shown(&instruction));
    }
}
