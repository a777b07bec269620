//! `lrops login` and `lrops logout`, with the flags and the words that people know from Docker.

use lrops_model::cancel::CancelToken;
use lrops_model::reference::DEFAULT_REGISTRY;
use lrops_remote::registry::{Credentials, LoginFileError, LoginPlace, registry_named};

use super::say;
use crate::arguments::{LoginArguments, LogoutArguments, PlaceArguments};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::prompt;
use crate::registries::{Registries, login_file};
use crate::report;
use crate::request::configuration_near;
use crate::signals;

/// Asks the registry whether it accepts the credentials, and keeps them when it does.
///
/// # Errors
/// When it does not, or cannot be asked; when they cannot be kept.
pub(super) fn login(arguments: &LoginArguments, environment: &Environment) -> Result<(), Failure> {
    let registry = named(arguments.server.as_deref())?;
    if arguments.password.is_some() {
        say(&report::notice(
            "--password on the command line can be read by others on this machine; use --password-stdin",
        ));
    }
    let (user, password) = credentials(arguments, environment)?;
    let configuration = configuration_near(&PlaceArguments::default(), &environment.directory, environment)?;
    let client = Registries::open(&configuration, &arguments.registries, environment)?.registry;
    let cancel = CancelToken::new();
    signals::watch(&cancel, say)?;
    let shown = Credentials::Basic {
        user: user.clone(),
        password: password.clone(),
    };
    client.check_login(&registry, &shown, &cancel).map_err(|error| {
        if error.is_cancelled() {
            return Failure::Cancelled;
        }
        let (is_refusal, advice) = (error.is_refused(), error.advice());
        let message = error.to_string();
        if is_refusal {
            Failure::unauthorized(message, error.problem, advice)
        } else {
            Failure::work_advised(message, error.problem, advice)
        }
    })?;
    let (file, path) = login_file(environment);
    let place = file.store(&registry, &user, &password, &cancel).map_err(failed)?;
    if place == LoginPlace::File {
        say(&report::notice(&format!(
            "the password is stored unencrypted in {}; a credential helper (credsStore) would keep it safe",
            path.display()
        )));
    }
    say("Login Succeeded");
    Ok(())
}

/// Removes a registry's credentials.
///
/// # Errors
/// When the file or the credential helper does not let it.
pub(super) fn logout(arguments: &LogoutArguments, environment: &Environment) -> Result<(), Failure> {
    let registry = named(arguments.server.as_deref())?;
    let cancel = CancelToken::new();
    signals::watch(&cancel, say)?;
    let (file, path) = login_file(environment);
    let places = file.erase(&registry, &cancel).map_err(failed)?;
    if places.is_empty() {
        say(&format!("Not logged in to {registry}"));
    }
    for place in places {
        let place = match place {
            LoginPlace::File => path.display().to_string(),
            LoginPlace::Program(name) => format!("docker-credential-{name}"),
        };
        say(&format!("Removed login credentials for {registry} from {place}"));
    }
    Ok(())
}

fn failed(error: LoginFileError) -> Failure {
    if error.is_cancelled() {
        return Failure::Cancelled;
    }
    let advice = error.advice();
    Failure::work_advised("failed to change the logins", error, advice)
}

/// Returns the registry that is meant: Docker Hub, when none is named.
fn named(server: Option<&str>) -> Result<String, Failure> {
    let Some(server) = server else {
        return Ok(DEFAULT_REGISTRY.to_owned());
    };
    let registry = registry_named(server);
    let image = "x"
        .parse()
        .and_then(|image: lrops_model::reference::Reference| image.moved_to(&registry, ""));
    match image {
        Ok(_) => Ok(registry),
        Err(_) => Err(Failure::usage(format!(
            "{server:?} is no registry: expected HOST or HOST:PORT"
        ))),
    }
}

/// Returns user and password: from the flags, else from whoever sits at the terminal.
fn credentials(arguments: &LoginArguments, environment: &Environment) -> Result<(String, String), Failure> {
    if arguments.password_stdin {
        let Some(user) = arguments.username.clone() else {
            return Err(Failure::usage("--password-stdin needs --username"));
        };
        return Ok((user, prompt::all_of_standard_input()?));
    }
    let is_complete = arguments.username.is_some() && arguments.password.is_some();
    if !is_complete && !environment.input_terminal {
        return Err(Failure::usage_advised(
            "there is no terminal to ask for user and password at",
            "give both: --username USER --password-stdin",
        ));
    }
    let user = match &arguments.username {
        Some(user) => user.clone(),
        None => prompt::line("Username: ")?,
    };
    let password = match &arguments.password {
        Some(password) => password.clone(),
        None => prompt::secret("Password: ")?,
    };
    if user.is_empty() || password.is_empty() {
        return Err(Failure::usage("user and password are both needed"));
    }
    Ok((user, password))
}
