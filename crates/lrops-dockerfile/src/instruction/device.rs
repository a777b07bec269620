//! `RUN --device`

use super::csv::fields;
use super::go_values::boolean;
use super::suggestion::did_you_mean;
use crate::syntax::{Fault, Word, rules};

/// A device that a command asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name, as the Container Device Interface names devices: `vendor/class[=device]`.
    pub name: String,
    /// Whether the build fails without it.
    pub required: bool,
}

impl Device {
    pub(super) fn read(word: &Word) -> Result<Self, Fault> {
        let fault = |message: String| Fault::error(rules::INVALID_DEVICE, message, &word.span);
        let fields =
            fields(&word.text).map_err(|error| fault(format!("failed to parse csv devices: {error}")))?;
        let mut device = Self {
            name: String::new(),
            required: false,
        };
        for field in &fields {
            device
                .apply(field)
                .map_err(|(message, advice)| fault(message).advise(advice))?;
        }
        Ok(device)
    }

    fn apply(&mut self, field: &str) -> Result<(), (String, Option<String>)> {
        let (key, value) = field
            .split_once('=')
            .map_or((field, None), |(key, value)| (key, Some(value)));
        let key = key.to_lowercase();
        match (key.as_str(), value) {
            ("required", None) => self.required = true,
            ("required", Some(value)) => {
                self.required =
                    boolean(value).ok_or_else(|| (format!("invalid value for {key}: {value}"), None))?;
            }
            ("name", Some(_)) if !self.name.is_empty() => {
                return Err((format!("device name already set to {}", self.name), None));
            }
            ("name", Some(value)) => value.clone_into(&mut self.name),
            _ if self.name.is_empty() => field.clone_into(&mut self.name),
            (_, None) => return Err((format!("invalid field '{field}' must be a key=value pair"), None)),
            (_, Some(_)) => {
                let message = format!("unexpected key '{key}' in '{field}'");
                return Err((message, did_you_mean(&key, &["name", "required"])));
            }
        }
        Ok(())
    }
}
