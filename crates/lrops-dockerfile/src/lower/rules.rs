//! The names of the rules whose breach lowering reports, besides the check rules.

pub(super) const BAD_WORD: &str = "InvalidExpansion";
pub(super) const INVALID_CHECKSUM: &str = "InvalidChecksum";
pub(super) const INVALID_CHMOD: &str = "InvalidChmod";
pub(super) const INVALID_EPOCH: &str = "InvalidSourceDateEpoch";
pub(super) const INVALID_FROM: &str = "InvalidFrom";
pub(super) const INVALID_MOUNT: &str = "InvalidMount";
pub(super) const INVALID_PLATFORM: &str = "InvalidPlatform";
pub(super) const INVALID_PORT: &str = "InvalidPort";
pub(super) const INVALID_SIGNAL: &str = "InvalidSignal";
pub(super) const INVALID_SOURCE: &str = "InvalidSource";
pub(super) const INVALID_TRIGGER: &str = "InvalidTrigger";
pub(super) const INVALID_VOLUME: &str = "InvalidVolume";
pub(super) const CIRCULAR_STAGES: &str = "CircularStages";
pub(super) const NO_STAGE: &str = "NoStage";
pub(super) const NOT_YET: &str = "NotYet";
pub(super) const UNKNOWN_STAGE: &str = "UnknownStage";
