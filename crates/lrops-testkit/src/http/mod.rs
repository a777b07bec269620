//! HTTP/1.1, as far as a registry and a proxy for tests speak it.
//!
//! Nothing here panics because of what the other side sends or when it hangs up: that is what tests are about.

mod body;
mod connection;
mod head;
mod text;

pub(crate) use body::{Body, Framing};
pub(crate) use connection::{Connections, Listener, close_after_answer, reset, wait};
pub(crate) use head::{AnswerHead, Headers, RequestHead};
pub(crate) use text::{base64, encode, parameters};
