//! The names of the rules whose breach parsing reports.

pub(crate) const INVALID_ARGUMENTS: &str = "InvalidArguments";
pub(crate) const INVALID_DEVICE: &str = "InvalidDevice";
pub(crate) const INVALID_DIRECTIVE: &str = "InvalidDirective";
pub(crate) const INVALID_FLAG: &str = "InvalidFlag";
pub(crate) const INVALID_HEALTHCHECK: &str = "InvalidHealthcheck";
pub(crate) const INVALID_HEREDOC: &str = "InvalidHeredoc";
pub(crate) const INVALID_MOUNT: &str = "InvalidMount";
pub(crate) const INVALID_STAGE_NAME: &str = "InvalidStageName";
pub(crate) const INVALID_TRIGGER: &str = "InvalidTrigger";
pub(crate) const LINE_TOO_LONG: &str = "LineTooLong";
pub(crate) const NO_EMPTY_CONTINUATION: &str = "NoEmptyContinuation";
pub(crate) const NO_INSTRUCTIONS: &str = "NoInstructions";
pub(crate) const NO_STAGE: &str = "NoStage";
pub(crate) const UNKNOWN_FLAG: &str = "UnknownFlag";
pub(crate) const UNKNOWN_INSTRUCTION: &str = "UnknownInstruction";
pub(crate) const UNTERMINATED_HEREDOC: &str = "UnterminatedHeredoc";
