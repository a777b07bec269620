//! Builds that `docker buildx` carries out: the command, the attempts, and what they come to.

mod attempt;
mod engine;
mod error;
mod invocation;
mod metadata;

pub use engine::{BuildxEngine, BuildxSettings, NeededContext};
pub use error::BuildxError;
pub use invocation::{Delivery, PassedOn, Question};
