//! `--secret`: read now, so that a missing one stops the build before it starts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use lrops_model::request::Secret;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::fields::Fields;

/// The longest secret that is read, in bytes: the limit of the reference.
const SECRET_BYTES_MAX: u64 = 500 * 1024;

const KNOWN: [&str; 6] = ["id", "type", "src", "source", "env", "target"];

/// Reads secrets: `id=NAME[,src=FILE|,env=VARIABLE][,type=file|env]`.
pub(super) fn read(texts: &[String], environment: &Environment) -> Result<BTreeMap<String, Secret>, Failure> {
    texts.iter().map(|text| read_one(text, environment)).collect()
}

fn read_one(text: &str, environment: &Environment) -> Result<(String, Secret), Failure> {
    let mut fields = super::flag("--secret", Fields::parse(text))?;
    let id = fields.take("id");
    let kind = fields.take("type");
    let source = fields.take_any(&["src", "source"]);
    let variable = fields.take("env");
    super::flag("--secret", fields.finish(&KNOWN[..5]))?;
    let Some(id) = id.filter(|id| !id.is_empty()) else {
        return Err(Failure::usage("--secret: a secret needs an id: id=NAME,src=FILE"));
    };
    let from_file = |path: &str| read_file(&id, &environment.absolute(Path::new(path)));
    let from_variable = |name: &str| {
        let value = environment
            .exact(name)
            .map(|value| Secret(value.as_bytes().to_vec()));
        value.ok_or_else(|| {
            Failure::usage(format!(
                "--secret: the variable {name} of the secret {id:?} is not set"
            ))
        })
    };
    // Without a type, a variable of the secret's name comes before a file of that name, as with buildx.
    let is_variable = match kind.as_deref() {
        Some("env") => true,
        Some("file") => false,
        Some(other) => {
            return Err(Failure::usage(format!(
                "--secret: {other:?} is neither file nor env"
            )));
        }
        None => source.is_none() && (variable.is_some() || environment.exact(&id).is_some()),
    };
    let secret = if is_variable {
        // `type=env,src=VARIABLE` is an older form of `env=VARIABLE`.
        from_variable(variable.as_deref().or(source.as_deref()).unwrap_or(&id))?
    } else {
        from_file(source.as_deref().unwrap_or(&id))?
    };
    Ok((id, secret))
}

fn read_file(id: &str, path: &PathBuf) -> Result<Secret, Failure> {
    let error = |source| {
        Failure::work(
            format!("failed to read the secret {id:?} from {}", path.display()),
            source,
        )
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(error)?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(Failure::usage(format!(
            "--secret: the secret {id:?} is longer than {SECRET_BYTES_MAX} bytes"
        )));
    }
    Ok(Secret(bytes))
}
