//! The names of the check rules: those of `BuildKit`, and lrops' own.

pub(crate) const CONSISTENT_INSTRUCTION_CASING: &str = "ConsistentInstructionCasing";
pub(crate) const COPY_IGNORED_FILE: &str = "CopyIgnoredFile";
pub(crate) const DUPLICATE_STAGE_NAME: &str = "DuplicateStageName";
pub(crate) const EXPOSE_INVALID_FORMAT: &str = "ExposeInvalidFormat";
pub(crate) const EXPOSE_PROTO_CASING: &str = "ExposeProtoCasing";
pub(crate) const FROM_AS_CASING: &str = "FromAsCasing";
pub(crate) const FROM_PLATFORM_FLAG_CONST_DISALLOWED: &str = "FromPlatformFlagConstDisallowed";
pub(crate) const INVALID_BASE_IMAGE_PLATFORM: &str = "InvalidBaseImagePlatform";
pub(crate) const INVALID_DEFAULT_ARG_IN_FROM: &str = "InvalidDefaultArgInFrom";
pub(crate) const INVALID_DEFINITION_DESCRIPTION: &str = "InvalidDefinitionDescription";
pub(crate) const JSON_ARGS_RECOMMENDED: &str = "JSONArgsRecommended";
pub(crate) const LEGACY_KEY_VALUE_FORMAT: &str = "LegacyKeyValueFormat";
pub(crate) const MAINTAINER_DEPRECATED: &str = "MaintainerDeprecated";
pub(crate) const MULTIPLE_INSTRUCTIONS_DISALLOWED: &str = "MultipleInstructionsDisallowed";
pub(crate) const NO_EMPTY_CONTINUATION: &str = "NoEmptyContinuation";
pub(crate) const REDUNDANT_TARGET_PLATFORM: &str = "RedundantTargetPlatform";
pub(crate) const RESERVED_STAGE_NAME: &str = "ReservedStageName";
pub(crate) const SECRETS_USED_IN_ARG_OR_ENV: &str = "SecretsUsedInArgOrEnv";
pub(crate) const STAGE_NAME_CASING: &str = "StageNameCasing";
pub(crate) const UNDEFINED_ARG_IN_FROM: &str = "UndefinedArgInFrom";
pub(crate) const UNDEFINED_VAR: &str = "UndefinedVar";
pub(crate) const WORKDIR_RELATIVE_PATH: &str = "WorkdirRelativePath";

pub(crate) const ARCHITECTURE_FALLBACK: &str = "ArchitectureFallback";
pub(crate) const CGO_WITHOUT_CROSS_COMPILER: &str = "CgoWithoutCrossCompiler";
pub(crate) const CROSS_GO_INSTALL: &str = "CrossGoInstall";
pub(crate) const FIXED_ARCHITECTURE: &str = "FixedArchitecture";
pub(crate) const GOARM_MISSING: &str = "GoarmMissing";
pub(crate) const PLATFORM_ARG_DEFAULT: &str = "PlatformArgDefault";
pub(crate) const PLATFORM_ARG_UNDECLARED: &str = "PlatformArgUndeclared";
pub(crate) const PLATFORM_OF_STAGE: &str = "PlatformOfStage";
pub(crate) const SINGLE_PLATFORM_DIGEST: &str = "SinglePlatformDigest";
pub(crate) const TOOLS_ON_TARGET_PLATFORM: &str = "ToolsOnTargetPlatform";

/// lrops' own rules.
pub const OWN: [&str; 10] = [
    ARCHITECTURE_FALLBACK,
    CGO_WITHOUT_CROSS_COMPILER,
    CROSS_GO_INSTALL,
    FIXED_ARCHITECTURE,
    GOARM_MISSING,
    PLATFORM_ARG_DEFAULT,
    PLATFORM_ARG_UNDECLARED,
    PLATFORM_OF_STAGE,
    SINGLE_PLATFORM_DIGEST,
    TOOLS_ON_TARGET_PLATFORM,
];

/// The rules that are silent unless they are asked for.
pub(crate) const EXPERIMENTAL: [&str; 1] = [INVALID_DEFINITION_DESCRIPTION];

/// All rules of `BuildKit`.
pub(crate) const ALL: [&str; 22] = [
    CONSISTENT_INSTRUCTION_CASING,
    COPY_IGNORED_FILE,
    DUPLICATE_STAGE_NAME,
    EXPOSE_INVALID_FORMAT,
    EXPOSE_PROTO_CASING,
    FROM_AS_CASING,
    FROM_PLATFORM_FLAG_CONST_DISALLOWED,
    INVALID_BASE_IMAGE_PLATFORM,
    INVALID_DEFAULT_ARG_IN_FROM,
    INVALID_DEFINITION_DESCRIPTION,
    JSON_ARGS_RECOMMENDED,
    LEGACY_KEY_VALUE_FORMAT,
    MAINTAINER_DEPRECATED,
    MULTIPLE_INSTRUCTIONS_DISALLOWED,
    NO_EMPTY_CONTINUATION,
    REDUNDANT_TARGET_PLATFORM,
    RESERVED_STAGE_NAME,
    SECRETS_USED_IN_ARG_OR_ENV,
    STAGE_NAME_CASING,
    UNDEFINED_ARG_IN_FROM,
    UNDEFINED_VAR,
    WORKDIR_RELATIVE_PATH,
];
