//! What the check rules say.

#![expect(
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes its texts so"
)]

use expect_test::{Expect, expect};
use lrops_model::oci::ImageConfig;

use super::{CheckOptions, Stages, check};
use crate::instruction::Dockerfile;
use crate::lower::LowerInputs;
use crate::lower::tests::{inputs, lower_with, shown_findings};

/// Shows the findings of all stages.
fn check_all(text: &str, expected: Expect) {
    check_with(inputs(text), &[], expected);
}

fn check_with(mut inputs: LowerInputs, ignore: &[&str], expected: Expect) {
    let (dockerfile, mut findings) = Dockerfile::parse(&inputs.text);
    let ignore: Vec<String> = ignore.iter().map(|line| (*line).to_owned()).collect();
    // What every stage starts from is looked up as a build of that stage would.
    for stage in &dockerfile.stages {
        let mut one = inputs.clone();
        one.target = stage.name.clone().or_else(|| Some(stage.index.to_string()));
        one.build_args
            .insert("BUILDKIT_DOCKERFILE_CHECK".to_owned(), String::new());
        lower_all(&mut one);
        inputs.images.append(&mut one.images);
    }
    let checked = check(&dockerfile, &inputs, &ignore, Stages::All);
    assert_eq!(checked.needs, [], "all images are known");
    if let Ok(options) = CheckOptions::of(&dockerfile, &inputs.build_args) {
        options.apply(&mut findings);
    }
    findings.extend(checked.findings);
    expected.assert_eq(&shown_findings(&findings));
}

fn lower_all(inputs: &mut LowerInputs) {
    let (dockerfile, _) = Dockerfile::parse(&inputs.text);
    while !check(&dockerfile, inputs, &[], Stages::Needed).needs.is_empty() {
        let before = inputs.images.len();
        drop(lower_with(inputs, &ImageConfig::default()));
        assert!(inputs.images.len() > before, "the images are given");
    }
}

#[test]
fn names_and_keywords_have_one_case() {
    check_all(
        "FROM scratch AS Bad\nFROM scratch as two\nfrom scratch AS three\nfrOM scratch As four\ncopy a b\nCOPY a b\n",
        expect![[r#"
            1: StageNameCasing: Stage name 'Bad' should be lowercase
            2: FromAsCasing: 'as' and 'FROM' keywords' casing do not match
            3: FromAsCasing: 'AS' and 'from' keywords' casing do not match
            3: ConsistentInstructionCasing: Command 'from' should match the case of the command majority (uppercase)
            4: ConsistentInstructionCasing: Command 'frOM' should match the case of the command majority (uppercase)
            5: ConsistentInstructionCasing: Command 'copy' should match the case of the command majority (uppercase)
        "#]],
    );
}

#[test]
fn names_of_stages_are_unique_and_not_reserved() {
    check_all(
        "FROM scratch AS a\nFROM scratch AS A\nFROM scratch AS context\n",
        expect![[r#"
            2: StageNameCasing: Stage name 'A' should be lowercase
            2: DuplicateStageName: Duplicate stage name "a", stage names should be unique
            3: ReservedStageName: Stage name should not use the same name as reserved stage "context"
        "#]],
    );
}

#[test]
fn undefined_variables_are_named_with_what_is_near() {
    check_all(
        "FROM base AS one\nARG DIR_ASSETS=a DECLARED\nCOPY $DIR_ASSET $DECLARED ${NOPE:-x} $PATH /d/\nARG X=$NOPE\nRUN --mount=target=/t/$T echo $NOPE\n\
         FROM one\nCOPY $DIR_ASSETS $DECLARED $N /d/\nCOPY <<E /x\n$N\nE\n",
        expect![[r#"
            3: UndefinedVar: Usage of undefined variable '$DIR_ASSET' (did you mean $DIR_ASSETS?)
            3: UndefinedVar: Usage of undefined variable '$NOPE'
            4: UndefinedVar: Usage of undefined variable '$NOPE'
            5: UndefinedVar: Usage of undefined variable '$T' (did you mean $X?)
            7: UndefinedVar: Usage of undefined variable '$N' (did you mean $X?)
            8: UndefinedVar: Usage of undefined variable '$N' (did you mean $X?)
        "#]],
    );
}

#[test]
fn from_lines_use_declared_arguments_and_no_needless_platform() {
    check_all(
        "ARG tag=latest\nARG EMPTY\nFROM base:$tag$version\nFROM base$EMPTY\nFROM --platform=$TARGETPLATFORM base\n\
         FROM --platform=linux/amd64 base\nFROM --platform=linux/amd64 base AS amd64-tools\n\
         FROM --platform=$BUILDPLATFORM base\nFROM base:$EMPTY${tag}\n",
        expect![[r#"
            3: UndefinedArgInFrom: FROM argument 'version' is not declared
            5: RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior
            6: FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/amd64"
        "#]],
    );
}

#[test]
fn a_base_must_have_a_name_without_arguments_of_the_command_line() {
    let mut inputs = inputs("ARG VERSION\nARG IMAGE\nFROM base:$VERSION\nFROM $IMAGE\n");
    inputs.build_args.insert("VERSION".to_owned(), "1".to_owned());
    inputs.build_args.insert("IMAGE".to_owned(), "base".to_owned());
    check_with(
        inputs,
        &[],
        expect![[r#"
        3: InvalidDefaultArgInFrom: Default value for ARG base:$VERSION results in empty or invalid base image name
        4: InvalidDefaultArgInFrom: Default value for ARG $IMAGE results in empty or invalid base image name
    "#]],
    );
}

#[test]
fn what_counts_once_stands_once_and_in_the_exec_form() {
    check_all(
        "FROM base\nCMD a\nCMD [\"b\"]\nENTRYPOINT c\nENTRYPOINT [\"d\"]\nHEALTHCHECK NONE\nHEALTHCHECK CMD x\n\
         FROM base\nSHELL [\"sh\", \"-c\"]\nCMD a\n",
        expect![[r#"
            2: JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals
            2: MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used
            4: JSONArgsRecommended: JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals
            4: MultipleInstructionsDisallowed: Multiple ENTRYPOINT instructions should not be used in the same stage because only the last one will be used
            6: MultipleInstructionsDisallowed: Multiple HEALTHCHECK instructions should not be used in the same stage because only the last one will be used
        "#]],
    );
}

#[test]
fn old_forms_and_secrets_are_pointed_at() {
    check_all(
        "FROM base\nMAINTAINER me\nenv key value\nLABEL key value\nARG API_KEY PUBLIC_KEY MONKEY\nENV auth=1 TOKEN_FILE=x\n",
        expect![[r#"
            2: MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label
            3: ConsistentInstructionCasing: Command 'env' should match the case of the command majority (uppercase)
            3: LegacyKeyValueFormat: "env key=value" should be used instead of legacy "env key value" format
            3: SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "key")
            4: LegacyKeyValueFormat: "LABEL key=value" should be used instead of legacy "LABEL key value" format
            5: SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "API_KEY")
            6: SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "auth")
        "#]],
    );
}

#[test]
fn a_relative_directory_needs_an_absolute_one_before_it() {
    check_all(
        "FROM base AS a\nWORKDIR x\nWORKDIR y\nFROM base AS b\nWORKDIR /x\nFROM b\nWORKDIR y\n",
        expect![[r#"
            2: WorkdirRelativePath: Relative workdir "x" can have unexpected results if the base image changes
        "#]],
    );
}

#[test]
fn ports_are_written_without_host_and_in_small_letters() {
    check_all(
        "FROM base\nEXPOSE 80/TCP 127.0.0.1:80:80 5000:5000 8000\n",
        expect![[r#"
            2: ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'
            2: ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '5000:5000'
            2: ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase
        "#]],
    );
}

#[test]
fn sources_that_the_ignore_file_leaves_out_are_named() {
    let text = "FROM base\nCOPY a ./b/c d/\nADD a https/ /\nCOPY . .\nCOPY --from=base a b\n";
    check_with(
        inputs(text),
        &["a", "b"],
        expect![[r#"
        2: CopyIgnoredFile: Attempting to Copy file "a" that is excluded by .dockerignore
        2: CopyIgnoredFile: Attempting to Copy file "b/c" that is excluded by .dockerignore
        3: CopyIgnoredFile: Attempting to Add file "a" that is excluded by .dockerignore
    "#]],
    );
    check_with(
        inputs(text),
        &["*"],
        expect![[r#"
        2: CopyIgnoredFile: Attempting to Copy file "a" that is excluded by .dockerignore
        2: CopyIgnoredFile: Attempting to Copy file "b/c" that is excluded by .dockerignore
        3: CopyIgnoredFile: Attempting to Add file "a" that is excluded by .dockerignore
        3: CopyIgnoredFile: Attempting to Add file "https" that is excluded by .dockerignore
        4: CopyIgnoredFile: Attempting to Copy file "." that is excluded by .dockerignore
    "#]],
    );
    check_with(inputs(text), &["*", "!a"], expect![[""]]);
}

#[test]
fn comments_above_describe_by_name_where_that_is_asked_for() {
    check_all(
        "# check=skip=all;experimental=InvalidDefinitionDescription\n# bar this is foo\nARG foo=bar\n\n# base this is it\nFROM scratch AS BASE\n\
         # another\nARG a b\n# about nothing\n#\nARG c\n",
        expect![[r#"
            3: InvalidDefinitionDescription: Comment for ARG should follow the format: `# foo <description>`
            8: InvalidDefinitionDescription: Comment for ARG should follow the format: `# <arg_key> <description>`
        "#]],
    );
}

#[test]
fn empty_lines_in_a_continuation_are_pointed_at() {
    check_all(
        "FROM scratch\nRUN a \\\n\n  b\n",
        expect![[r#"
        4: NoEmptyContinuation: Empty continuation line
           remove the empty line, or put a # there
    "#]],
    );
    check_all(
        "# check=skip=NoEmptyContinuation\nFROM scratch\nRUN a \\\n\n  b\n",
        expect![[""]],
    );
}

#[test]
fn rules_are_skipped_for_the_file_or_for_one_instruction() {
    check_all(
        "# check=skip=StageNameCasing, FromAsCasing\nFROM base as A\n# check=skip=JSONArgsRecommended\nCMD a\nENTRYPOINT b\n",
        expect![[r#"
            5: JSONArgsRecommended: JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals
        "#]],
    );
    check_all("# check=skip=all\nFROM base as A\nCMD a\n", expect![[""]]);
}

#[test]
fn breaches_can_stop_the_build() {
    check_all(
        "# check=error=true;skip=JSONArgsRecommended\nFROM base as A\nCMD a\n",
        expect![[r#"
            2: StageNameCasing: Stage name 'A' should be lowercase
            2: FromAsCasing: 'as' and 'FROM' keywords' casing do not match
            0: CheckFailed: lint violation found for rules: FromAsCasing, StageNameCasing
               correct them, or take error=true out of the check options
        "#]],
    );
    let mut inputs = inputs("# check=skip=all\nFROM base as a\n");
    let options = "skip=ConsistentInstructionCasing;error=true";
    inputs
        .build_args
        .insert("BUILDKIT_DOCKERFILE_CHECK".to_owned(), options.to_owned());
    check_with(
        inputs,
        &[],
        expect![[r#"
        2: FromAsCasing: 'as' and 'FROM' keywords' casing do not match
        0: CheckFailed: lint violation found for rules: FromAsCasing
           correct them, or take error=true out of the check options
    "#]],
    );
    check_all("# check=error=true\nFROM base\n", expect![[""]]);
}

#[test]
fn options_that_cannot_be_read_are_an_error() {
    check_all(
        "# check=nope\nFROM scratch\n",
        expect![[r#"
        0: InvalidCheckOptions: failed to parse check options: invalid check option "nope"
           the options are skip=RULE,RULE or skip=all, experimental=…, and error=true
    "#]],
    );
    check_all(
        "# check=skip=a;what=b\nFROM scratch\n",
        expect![[r#"
        0: InvalidCheckOptions: failed to parse check options: invalid check option "what"
           the options are skip=RULE,RULE or skip=all, experimental=…, and error=true
    "#]],
    );
    check_all(
        "# check=error=maybe\nFROM scratch\n",
        expect![[r#"
        0: InvalidCheckOptions: failed to parse check options: invalid check option "error=maybe"
           the options are skip=RULE,RULE or skip=all, experimental=…, and error=true
    "#]],
    );
}

#[test]
fn a_stage_whose_image_is_unknown_is_asked_for_and_the_rest_is_checked() {
    let text = "FROM scratch\nCMD a\nFROM base\nCMD b\n";
    let (dockerfile, _) = Dockerfile::parse(text);
    let checked = check(&dockerfile, &inputs(text), &[], Stages::All);
    let names: Vec<&str> = checked
        .needs
        .iter()
        .map(|(image, _)| image.name.as_str())
        .collect();
    assert_eq!(names, ["base", "base"]);
    expect![[r#"
        2: JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals
    "#]].assert_eq(&shown_findings(&checked.findings));
}
