//! `--add-host`: names with addresses for `/etc/hosts`.

use std::net::IpAddr;

use crate::failure::Failure;

/// Reads `NAME:ADDRESS` and `NAME=ADDRESS`.
///
/// `host-gateway` is the host as commands reach it. They share its network, so that is the loopback address.
pub(super) fn parse(texts: &[String]) -> Result<Vec<(String, String)>, Failure> {
    texts.iter().map(|text| parse_one(text)).collect()
}

fn parse_one(text: &str) -> Result<(String, String), Failure> {
    let error = || {
        Failure::usage(format!(
            "--add-host: {text:?} is not NAME:ADDRESS, such as database:10.0.0.5 or database:[::1]"
        ))
    };
    let (name, address) = text
        .split_once('=')
        .or_else(|| text.split_once(':'))
        .ok_or_else(error)?;
    if name.is_empty() {
        return Err(error());
    }
    if address == "host-gateway" {
        return Ok((name.to_owned(), "127.0.0.1".to_owned()));
    }
    let bare = address
        .strip_prefix('[')
        .and_then(|address| address.strip_suffix(']'))
        .unwrap_or(address);
    let address: IpAddr = bare.parse().map_err(|_| error())?;
    Ok((name.to_owned(), address.to_string()))
}
