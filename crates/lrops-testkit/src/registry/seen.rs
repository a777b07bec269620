//! Requests as they came.

use std::collections::BTreeMap;

use crate::http::{RequestHead, parameters};

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRequest {
    /// Such as `GET`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    /// How many bytes of its body were read until now.
    pub body_length: u64,
}

impl SeenRequest {
    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Returns the target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Returns a parameter of the query, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        self.queries(name).into_iter().next()
    }

    /// Returns all parameters of this name, decoded.
    pub(super) fn queries(&self, name: &str) -> Vec<String> {
        let query = self.target.split_once('?').map(|(_, query)| query);
        parameters(query.unwrap_or_default(), name)
    }

    pub(super) fn of(head: &RequestHead) -> Self {
        let headers = head.headers.iter();
        Self {
            method: head.method.clone(),
            target: head.target.clone(),
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body_length: 0,
        }
    }
}
