//! What cannot be lowered.

use expect_test::expect;
use lrops_model::oci::ImageConfig;

use super::{check_errors, inputs, lower_with};
use crate::instruction::Dockerfile;
use crate::lower::source_date_epoch;

#[test]
fn a_name_of_no_reference_gets_advice() {
    check_errors(
        "FROM scratch AS builder\nCOPY a .\nFROM Builder\n",
        expect![[r#"
            3: InvalidDefaultArgInFrom: Default value for ARG Builder results in empty or invalid base image name
            3: InvalidFrom: failed to parse stage name "Builder": invalid reference format: "Builder" is no image reference: a repository has lower-case letters and digits, separated by '.', '_', '__' or '-', and components by '/'
               did you mean the stage builder?
        "#]],
    );
}

#[test]
fn several_mistakes_come_out_at_once() {
    check_errors(
        "FROM base AS one\nCOPY --from=5 a b\nCOPY --from=two a b\nSTOPSIGNAL nope\nEXPOSE 80/xyz\nCOPY --chmod=99999 a b\n\
         RUN --mount=type=ssh x\nADD https://example.com/x /\nCOPY ${A:?is needed} /\nFROM one AS two\n",
        expect![[r#"
            2: UnknownStage: invalid stage index 5
               the stages are numbered from 0 to 1
            3: UnknownStage: cannot copy from stage "two", it needs to be defined before current stage "one"
               move that stage up
            4: InvalidSignal: invalid signal: nope
               name a signal such as SIGTERM, or its number
            5: InvalidPort: invalid port: "80/xyz": invalid proto: xyz
            6: InvalidChmod: invalid chmod parameter: '99999'. it should be octal string and between 0 and 07777
            7: NotYet: RUN --mount=type=ssh is not supported yet by the embedded engine
            8: NotYet: ADD of a URL is not supported yet by the embedded engine
            9: InvalidExpansion: failed to process "${A:?is": syntax error: missing '}'
        "#]],
    );
}

#[test]
fn an_unknown_target_names_the_stages() {
    let mut inputs = inputs("FROM scratch AS runtime\nFROM scratch AS tools\n");
    inputs.target = Some("runtim".to_owned());
    let findings = lower_with(&mut inputs, &ImageConfig::default()).unwrap_err();
    expect![[r#"
        [
            Finding {
                rule: "UnknownStage",
                severity: Error,
                message: "target stage \"runtim\" could not be found",
                place: None,
                advice: Some(
                    "did you mean runtime?",
                ),
                cure: None,
            },
        ]
    "#]]
    .assert_debug_eq(&findings);
}

#[test]
fn a_file_without_stages_makes_no_image() {
    check_errors(
        "ARG A=1\n",
        expect![[r#"
        0: NoStage: dockerfile contains no stages to build
           a stage begins with FROM
    "#]],
    );
}

#[test]
fn stages_that_copy_from_each_other_are_a_circle() {
    check_errors(
        "FROM base\nCOPY --from=0 a b\n",
        expect![[r#"
        2: CircularStages: circular dependency detected on stage: stage-0
    "#]],
    );
    check_errors(
        "FROM base AS one\nCOPY --from=two a b\nFROM base AS two\nRUN --mount=from=one,target=/t x\nFROM scratch\n",
        expect![[r#"
            2: CircularStages: circular dependency detected on stage: one
        "#]],
    );
}

#[test]
fn a_stage_is_taken_from_only_after_it_was_made() {
    check_errors(
        "FROM base AS one\nCOPY --from=Two a b\nRUN --mount=from=two,target=/t x\nFROM base AS two\nFROM one\n",
        expect![[r#"
            2: UnknownStage: cannot copy from stage "Two", it needs to be defined before current stage "one"
               move that stage up
            3: UnknownStage: cannot mount from stage "two" to "/t", stage needs to be defined before current command
               move that stage up
        "#]],
    );
}

#[test]
fn from_flags_take_no_variables_and_no_number_that_is_none() {
    check_errors(
        "FROM base\nCOPY --from=$X a b\nCOPY --from=-1 a b\nCOPY --from=A a b\n",
        expect![[r#"
            2: InvalidFrom: variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround
            3: UnknownStage: invalid stage index -1
               the stages are numbered from 0 to 0
            4: InvalidFrom: failed to parse stage name "A": invalid reference format: "A" is no image reference: a repository has lower-case letters and digits, separated by '.', '_', '__' or '-', and components by '/'
        "#]],
    );
}

#[test]
fn mistakes_in_from_lines_are_found_in_stages_that_nothing_needs() {
    check_errors(
        "ARG MY_ARCH=amd64\nFROM $NOPE\nFROM --platform=linux/${MYARCH} base\nFROM --platform=$EMPTY base\n\
         FROM --platform=nope base\nFROM ${X:?missing}\nFROM scratch\n",
        expect![[r#"
            2: UndefinedArgInFrom: FROM argument 'NOPE' is not declared
            2: InvalidDefaultArgInFrom: Default value for ARG $NOPE results in empty or invalid base image name
            2: InvalidFrom: base name ($NOPE) should not be blank
               give the ARG that it is made of a default, or pass it with --build-arg
            3: UndefinedArgInFrom: FROM argument 'MYARCH' is not declared (did you mean MY_ARCH?)
            3: InvalidPlatform: failed to parse platform linux/${MYARCH}: "" is an invalid component of "linux/": platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument (did you mean MY_ARCH?)
            4: UndefinedArgInFrom: FROM argument 'EMPTY' is not declared
            4: InvalidPlatform: empty platform value from expression $EMPTY
            5: InvalidPlatform: failed to parse platform nope: "nope": unknown operating system or architecture: invalid argument
            6: InvalidExpansion: failed to process "${X:?missing}": X: missing
        "#]],
    );
}

#[test]
fn a_mistake_in_a_trigger_stands_at_the_from() {
    let mut base = ImageConfig::default();
    base.config.on_build = vec![
        "COPY ${A:?is needed} b".to_owned(),
        "RUN --mount=type=x y".to_owned(),
    ];
    let findings = lower_with(&mut inputs("\n\nFROM base\n"), &base).unwrap_err();
    expect![[r#"
        3: InvalidExpansion: failed to process "${A:?is": syntax error: missing '}'
        3: InvalidMount: unsupported mount type "x"
    "#]]
    .assert_eq(&super::shown_findings(&findings));
}

#[test]
fn a_checksum_belongs_to_one_remote_source() {
    check_errors(
        "FROM scratch\nADD --checksum=sha256:x a b\nADD --checksum=sha256:x a b c/\nADD --checksum=md5:x https://e.org/x /\n\
         COPY https://e.org/x /\nCOPY git@e.org:x.git /\n",
        expect![[r#"
            2: InvalidChecksum: checksum requires HTTP(S) or Git sources
            3: InvalidChecksum: checksum can't be specified for multiple sources
            4: InvalidChecksum: unsupported digest algorithm
               write sha256: and 64 hexadecimal digits
            4: NotYet: ADD of a URL is not supported yet by the embedded engine
            5: InvalidSource: source can't be a URL for COPY
               ADD takes a URL
            6: InvalidSource: source can't be a git ref for COPY
               ADD takes a git ref
        "#]],
    );
}

#[test]
fn a_source_date_epoch_is_a_number_or_names_something_with_a_time() {
    check_errors(
        "ARG SOURCE_DATE_EPOCH=nope\nFROM scratch\n",
        expect![[r#"
        0: InvalidSourceDateEpoch: invalid SOURCE_DATE_EPOCH: nope
           give the seconds since 1970-01-01
    "#]],
    );
    check_errors(
        "ARG SOURCE_DATE_EPOCH=s\nFROM scratch AS s\nCOPY a b\nFROM scratch\n",
        expect![[r#"
            2: InvalidSourceDateEpoch: SOURCE_DATE_EPOCH stage does not meet source-only requirements: unsupported COPY instruction
        "#]],
    );
    let text = "ARG SOURCE_DATE_EPOCH=1445412480\nFROM scratch\n";
    let mut inputs = inputs(text);
    lower_with(&mut inputs, &ImageConfig::default()).unwrap();
    let (dockerfile, _) = Dockerfile::parse(text);
    assert_eq!(source_date_epoch(&dockerfile, &inputs), Some(1_445_412_480));
    inputs
        .build_args
        .insert("SOURCE_DATE_EPOCH".to_owned(), "7".to_owned());
    assert_eq!(source_date_epoch(&dockerfile, &inputs), Some(7));
}

#[test]
fn ports_signals_volumes_and_mount_targets_are_checked_after_expansion() {
    check_errors(
        "FROM base\nARG E\nARG P=web\nEXPOSE $P\nSTOPSIGNAL $P\nVOLUME $E\nRUN --mount=target=/ x\n",
        expect![[r#"
            4: InvalidPort: invalid port: "web": invalid containerPort: web
            5: InvalidSignal: invalid signal: web
               name a signal such as SIGTERM, or its number
            6: InvalidVolume: VOLUME specified can not be an empty string
            7: InvalidMount: invalid mount target "/"
        "#]],
    );
}
